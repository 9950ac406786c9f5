package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	routeCheck  = 10 * time.Second
	vxlanHeader = 50
	vxlanPort   = 8472 // the kernel's own choice
)

// network is a registered backend: this node's lease, and how the others' subnets are reached.
type network struct {
	lease *lease
	mtu   int
	kind  string
	paths paths
}

// paths makes and removes the way to another node's subnet.
type paths interface {
	add(lease) error
	remove(lease) error
	check()
}

func register(ctx context.Context, config *config, through *external, manager *manager) (*network, error) {
	switch config.backendType {
	case "host-gw":
		return registerHostGw(ctx, config, through, manager)
	case "vxlan":
		return registerVxlan(ctx, config, through, manager)
	}
	return nil, fmt.Errorf("Error fetching backend: this stand-in knows host-gw and vxlan, not %q", config.backendType)
}

// follow keeps the ways to all other nodes' subnets; it ends with ctx, and leaves them.
func (n *network) follow(ctx context.Context, manager *manager) {
	events := make(chan []event)
	go manager.watchAll(ctx, n.lease.subnet, events)
	ticks := time.NewTicker(routeCheck)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			n.paths.check()
		case batch := <-events:
			for _, each := range batch {
				n.handle(each)
			}
		}
	}
}

func (n *network) handle(one event) {
	subnet, said := one.lease.subnet, one.lease.attributes
	if said.BackendType != n.kind {
		log.Printf("Ignoring non-%s subnet (%s): type=%s", n.kind, subnet, said.BackendType)
		return
	}
	if one.removed {
		log.Printf("Subnet removed: %s", subnet)
		if err := n.paths.remove(one.lease); err != nil {
			log.Printf("Error removing the way to %s: %v", subnet, err)
		}
		return
	}
	log.Printf("Subnet added: %s via %s", subnet, said.PublicIP)
	if err := n.paths.add(one.lease); err != nil {
		log.Printf("Error making the way to %s: %v", subnet, err)
	}
}

// hostGw: a route by the other node's own address, which therefore must be in this host's network.
type hostGw struct {
	device string
	routes map[netip.Prefix]netip.Addr
}

func registerHostGw(ctx context.Context, config *config, through *external, manager *manager) (*network, error) {
	if through.public != through.address {
		return nil, errors.New("Error fetching backend: your PublicIP differs from interface IP, meaning that probably " +
			"you're on a NAT, which is not supported by host-gw backend")
	}
	mine := attributes{PublicIP: through.public, BackendType: "host-gw"}
	found, err := manager.acquire(ctx, config, mine)
	if err != nil {
		return nil, fmt.Errorf("Error registering network: failed to acquire lease: %w", err)
	}
	return &network{found, through.mtu, "host-gw", &hostGw{through.name, map[netip.Prefix]netip.Addr{}}}, nil
}

func (h *hostGw) add(other lease) error {
	h.routes[other.subnet] = other.attributes.PublicIP
	return h.ensure(other.subnet, other.attributes.PublicIP)
}

// ensure makes the route where it is missing, in the place of one that leads elsewhere.
func (h *hostGw) ensure(subnet netip.Prefix, gateway netip.Addr) error {
	there := []struct{ Gateway, Dev string }{}
	if err := query(&there, "-4", "route", "show", "exact", subnet.String()); err != nil {
		return err
	}
	for _, each := range there {
		if each.Gateway == gateway.String() && each.Dev == h.device {
			return nil
		}
		log.Printf("Replacing existing route to %s via %s dev %s", subnet, each.Gateway, each.Dev)
		if _, err := command("ip", "-4", "route", "del", subnet.String(), "dev", each.Dev); err != nil {
			return err
		}
	}
	_, err := command("ip", "-4", "route", "add", subnet.String(), "via", gateway.String(), "dev", h.device)
	return err
}

func (h *hostGw) remove(gone lease) error {
	delete(h.routes, gone.subnet)
	via := gone.attributes.PublicIP.String()
	_, err := command("ip", "-4", "route", "del", gone.subnet.String(), "via", via, "dev", h.device)
	return err
}

// check brings routes back that somebody removed.
func (h *hostGw) check() {
	for subnet, gateway := range h.routes {
		if err := h.ensure(subnet, gateway); err != nil {
			log.Printf("Error recovering route to %s: %v", subnet, err)
		}
	}
}

// vxlan: a tunnel device, and for each other node its device's MAC, its host's address, and a route.
type vxlan struct {
	device string
	direct bool
}

type vxlanData struct {
	VNI     int
	VtepMAC string
}

func registerVxlan(ctx context.Context, config *config, through *external, manager *manager) (*network, error) {
	said := struct {
		VNI, Port                    int
		GBP, Learning, DirectRouting bool
	}{VNI: 1}
	if err := json.Unmarshal(config.backend, &said); err != nil {
		return nil, fmt.Errorf("Error registering network: error decoding VXLAN backend config: %v", err)
	}
	if said.Port == 0 {
		said.Port = vxlanPort
	}
	made := &vxlan{fmt.Sprintf("flannel.%d", said.VNI), said.DirectRouting}
	mtu := through.mtu - vxlanHeader
	words := []string{"type", "vxlan", "id", strconv.Itoa(said.VNI), "dev", through.name, "local", through.address.String(),
		"dstport", strconv.Itoa(said.Port)}
	if said.Learning {
		words = append(words, "learning")
	} else {
		words = append(words, "nolearning")
	}
	if said.GBP {
		words = append(words, "gbp")
	}
	mac, err := made.ensureDevice(mtu, said.VNI, said.Port, through, words)
	if err != nil {
		return nil, fmt.Errorf("Error registering network: %v", err)
	}
	data, err := json.Marshal(vxlanData{said.VNI, mac})
	if err != nil {
		return nil, err
	}
	found, err := manager.acquire(ctx, config, attributes{PublicIP: through.public, BackendType: "vxlan", BackendData: data})
	if err != nil {
		return nil, fmt.Errorf("Error registering network: failed to acquire lease: %w", err)
	}
	if err := made.configure(found.subnet.Addr(), config.network); err != nil {
		return nil, fmt.Errorf("Error registering network: failed to configure interface %s: %v", made.device, err)
	}
	return &network{found, mtu, "vxlan", made}, nil
}

type link struct {
	Address  string
	Linkinfo struct {
		Kind string `json:"info_kind"`
		Data struct {
			ID    int
			Link  string
			Local string
			Port  int
		} `json:"info_data"`
	}
}

// ensureDevice takes a device of an earlier run where it is the same, else makes it anew; returns its MAC.
func (v *vxlan) ensureDevice(mtu, vni, port int, through *external, words []string) (string, error) {
	if there, err := v.look(); err == nil {
		data := there.Linkinfo.Data
		own := data.Link == through.name && data.Local == through.address.String()
		if there.Linkinfo.Kind == "vxlan" && data.ID == vni && data.Port == port && own {
			log.Printf("%s already exists; reusing", v.device)
			return there.Address, nil
		}
		log.Printf("%s already exists with incompatible configuration; recreating device", v.device)
		if _, err := command("ip", "link", "del", v.device); err != nil {
			return "", err
		}
	}
	mac := make(net.HardwareAddr, 6)
	if _, err := rand.Read(mac); err != nil {
		return "", err
	}
	mac[0] = mac[0]&0xfe | 0x02 // locally administered, unicast
	head := []string{"ip", "link", "add", v.device, "address", mac.String(), "mtu", strconv.Itoa(mtu)}
	if _, err := command(append(head, words...)...); err != nil {
		return "", err
	}
	made, err := v.look()
	return made.Address, err
}

func (v *vxlan) look() (link, error) {
	found := []link{}
	if err := query(&found, "-details", "link", "show", "dev", v.device); err != nil {
		return link{}, err
	}
	if len(found) != 1 {
		return link{}, fmt.Errorf("no device %s", v.device)
	}
	return found[0], nil
}

// configure gives the device its one address, the subnet's first, without a route; older ones of the network go.
func (v *vxlan) configure(own netip.Addr, whole netip.Prefix) error {
	device, err := net.InterfaceByName(v.device)
	if err != nil {
		return err
	}
	there := false
	for _, each := range addresses(device) {
		if each == own {
			there = true
		} else if whole.Contains(each) {
			if _, err := command("ip", "addr", "del", each.String()+"/32", "dev", v.device); err != nil {
				return err
			}
		}
	}
	if !there {
		if _, err := command("ip", "addr", "add", own.String()+"/32", "dev", v.device); err != nil {
			return err
		}
	}
	_, err = command("ip", "link", "set", v.device, "up")
	return err
}

func (v *vxlan) data(of lease) (vxlanData, error) {
	made := vxlanData{}
	if err := json.NewDecoder(bytes.NewReader(of.attributes.BackendData)).Decode(&made); err != nil {
		return made, fmt.Errorf("error decoding subnet lease JSON: %v", err)
	}
	return made, nil
}

func (v *vxlan) add(other lease) error {
	data, err := v.data(other)
	if err != nil {
		return err
	}
	subnet, gateway, public := other.subnet.String(), other.subnet.Addr().String(), other.attributes.PublicIP.String()
	if v.direct && isDirect(public) {
		_, err := command("ip", "-4", "route", "replace", subnet, "via", public)
		return err
	}
	for _, words := range [][]string{
		{"ip", "neigh", "replace", gateway, "lladdr", data.VtepMAC, "dev", v.device, "nud", "permanent"},
		{"bridge", "fdb", "replace", data.VtepMAC, "dev", v.device, "dst", public, "self", "permanent"},
		{"ip", "-4", "route", "replace", subnet, "via", gateway, "dev", v.device, "onlink"},
	} {
		if _, err := command(words...); err != nil {
			return err
		}
	}
	return nil
}

func (v *vxlan) remove(gone lease) error {
	data, err := v.data(gone)
	if err != nil {
		return err
	}
	subnet, gateway, public := gone.subnet.String(), gone.subnet.Addr().String(), gone.attributes.PublicIP.String()
	if v.direct && isDirect(public) {
		_, err := command("ip", "-4", "route", "del", subnet, "via", public)
		return err
	}
	for _, words := range [][]string{
		{"ip", "neigh", "del", gateway, "dev", v.device},
		{"bridge", "fdb", "del", data.VtepMAC, "dev", v.device, "dst", public, "self"},
		{"ip", "-4", "route", "del", subnet, "via", gateway, "dev", v.device},
	} {
		if _, failed := command(words...); failed != nil {
			err = failed
		}
	}
	return err
}

// check: the real one does not look after its routes here either.
func (v *vxlan) check() {}

// isDirect says whether a host is reached without a router in between.
func isDirect(public string) bool {
	found := []struct{ Gateway string }{}
	err := query(&found, "-4", "route", "get", public)
	return err == nil && len(found) == 1 && found[0].Gateway == ""
}
