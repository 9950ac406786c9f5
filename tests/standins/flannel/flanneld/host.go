package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// external is the interface that other nodes are reached through.
type external struct {
	name    string
	mtu     int
	address netip.Addr // its own
	public  netip.Addr // what other nodes are told
}

// command runs one of the host's programs; its error holds what the program said.
func command(words ...string) (string, error) {
	var out, said bytes.Buffer
	run := exec.Command(words[0], words[1:]...)
	run.Stdout, run.Stderr = &out, &said
	if err := run.Run(); err != nil {
		return "", fmt.Errorf("%s: %v: %s", strings.Join(words, " "), err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// query runs `ip -json` and reads its answer.
func query(into any, words ...string) error {
	out, err := command(append([]string{"ip", "-json"}, words...)...)
	if err != nil {
		return err
	}
	if strings.TrimSpace(out) == "" {
		out = "[]"
	}
	return json.Unmarshal([]byte(out), into)
}

// findInterface takes the first that -iface names, then the first that -iface-regex fits; without both, the one of the
// default route.
func findInterface(opts *options) (*external, error) {
	found, own, err := lookUp(opts)
	if err != nil {
		return nil, err
	}
	if found.MTU == 0 {
		return nil, fmt.Errorf("failed to determine MTU for %s interface", own)
	}
	made := &external{name: found.Name, mtu: found.MTU, address: own, public: own}
	if opts.publicIP != "" {
		if made.public, err = netip.ParseAddr(opts.publicIP); err != nil {
			return nil, fmt.Errorf("invalid public IP address: %s", opts.publicIP)
		}
	}
	log.Printf("Using interface with name %s and address %s; external address: %s", made.name, made.address, made.public)
	return made, nil
}

func lookUp(opts *options) (*net.Interface, netip.Addr, error) {
	for _, word := range opts.iface {
		found, own, err := byWord(word)
		if err == nil {
			return found, own, nil
		}
		log.Printf("Could not find valid interface matching %s: %s", word, err)
	}
	for _, pattern := range opts.ifaceRegex {
		found, own, err := byPattern(pattern)
		if err == nil {
			return found, own, nil
		}
		log.Printf("Could not find valid interface matching %s: %s", pattern, err)
	}
	if len(opts.iface)+len(opts.ifaceRegex) > 0 {
		return nil, netip.Addr{}, errors.New("none matches")
	}
	routes := []struct{ Dev string }{}
	if err := query(&routes, "-4", "route", "show", "default"); err != nil || len(routes) == 0 {
		return nil, netip.Addr{}, fmt.Errorf("failed to get default interface: unable to find default route (%v)", err)
	}
	return byWord(routes[0].Dev)
}

// byWord finds an interface by its name or by an address that it has.
func byWord(word string) (*net.Interface, netip.Addr, error) {
	if wanted, err := netip.ParseAddr(word); err == nil {
		all, err := net.Interfaces()
		if err != nil {
			return nil, wanted, err
		}
		for index := range all {
			for _, each := range addresses(&all[index]) {
				if each == wanted {
					return &all[index], wanted, nil
				}
			}
		}
		return nil, wanted, errors.New("no interface with given IP found")
	}
	found, err := net.InterfaceByName(word)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	own := addresses(found)
	if len(own) == 0 {
		return nil, netip.Addr{}, fmt.Errorf("failed to find IPv4 address for interface %s", word)
	}
	return found, own[0], nil
}

func byPattern(pattern string) (*net.Interface, netip.Addr, error) {
	matches, err := regexp.Compile(pattern)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	all, err := net.Interfaces()
	if err != nil {
		return nil, netip.Addr{}, err
	}
	for index := range all {
		for _, each := range addresses(&all[index]) {
			if matches.MatchString(each.String()) || matches.MatchString(all[index].Name) {
				return &all[index], each, nil
			}
		}
	}
	return nil, netip.Addr{}, errors.New("could not match pattern to any of the available network interfaces")
}

// addresses are the interface's IPv4 addresses, link-local ones last.
func addresses(of *net.Interface) []netip.Addr {
	all, _ := of.Addrs()
	made, last := []netip.Addr{}, []netip.Addr{}
	for _, each := range all {
		prefix, err := netip.ParsePrefix(each.String())
		if err != nil || !prefix.Addr().Is4() {
			continue
		}
		if prefix.Addr().IsLinkLocalUnicast() {
			last = append(last, prefix.Addr())
		} else {
			made = append(made, prefix.Addr())
		}
	}
	return append(made, last...)
}

// writeSubnetFile is atomic: to a file beside it, then renamed.
func writeSubnetFile(file string, network, subnet netip.Prefix, mtu int, masquerade bool) error {
	folder, name := filepath.Split(file)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	gateway := netip.PrefixFrom(subnet.Addr().Next(), subnet.Bits())
	text := fmt.Sprintf("FLANNEL_NETWORK=%s\nFLANNEL_SUBNET=%s\nFLANNEL_MTU=%d\nFLANNEL_IPMASQ=%v\n",
		network, gateway, mtu, masquerade)
	aside := filepath.Join(folder, "."+name)
	if err := os.WriteFile(aside, []byte(text), 0o666); err != nil {
		return err
	}
	return os.Rename(aside, file)
}

// fromSubnetFile reads a CIDR of an earlier run, cut to its network; what is missing or wrong counts as none.
func fromSubnetFile(file, key string) netip.Prefix {
	text, err := os.ReadFile(file)
	if err != nil {
		if !os.IsNotExist(err) {
			log.Printf("Couldn't fetch previous %s from subnet file at %s: %s", key, file, err)
		}
		return netip.Prefix{}
	}
	for _, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if strings.TrimSpace(name) != key {
			continue
		}
		found, err := netip.ParsePrefix(strings.Trim(strings.TrimSpace(value), `"'`))
		if err != nil {
			log.Printf("Couldn't parse previous %s from subnet file at %s: %s", key, file, err)
			return netip.Prefix{}
		}
		return found.Masked()
	}
	return netip.Prefix{}
}
