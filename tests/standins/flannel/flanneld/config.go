package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
)

// config is what stands in etcd below <prefix>/config, with its defaults.
type config struct {
	network     netip.Prefix
	min, max    netip.Addr
	length      int
	backendType string
	backend     json.RawMessage
}

func parseConfig(text string) (*config, error) {
	said := struct {
		EnableIPv4, EnableIPv6        *bool
		Network, SubnetMin, SubnetMax string
		SubnetLen                     int
		IPv6Network                   string
		Backend                       json.RawMessage
	}{}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return nil, err
	}
	if said.EnableIPv6 != nil && *said.EnableIPv6 || said.EnableIPv4 != nil && !*said.EnableIPv4 {
		return nil, errors.New("this stand-in knows IPv4 only")
	}
	network, err := netip.ParsePrefix(said.Network)
	if err != nil || !network.Addr().Is4() {
		return nil, fmt.Errorf("please define a correct Network parameter in the flannel config (%q)", said.Network)
	}
	made := &config{network: network.Masked(), length: said.SubnetLen, backend: said.Backend}
	if err := made.cut(said.SubnetMin, said.SubnetMax); err != nil {
		return nil, err
	}
	made.backendType = "udp" // as the real one has it
	if len(said.Backend) > 0 {
		kind := struct{ Type string }{}
		if err := json.Unmarshal(said.Backend, &kind); err != nil {
			return nil, fmt.Errorf("error decoding Backend property of config: %v", err)
		}
		made.backendType = kind.Type
	}
	return made, nil
}

// cut finds which subnets may be leased.
func (c *config) cut(min, max string) error {
	bits := c.network.Bits()
	switch {
	case c.length > 0:
		if c.length > 30 {
			return errors.New("SubnetLen must be less than /31")
		}
		if c.length < bits+2 {
			return errors.New("network must be able to accommodate at least four subnets")
		}
	case bits > 28:
		return errors.New("network is too small. Minimum useful network prefix is /28")
	case bits <= 22:
		c.length = 24
	default:
		c.length = bits + 2
	}
	size := uint32(1) << (32 - c.length)
	first := number(c.network.Addr())
	c.min, c.max = address(first+size), address(first+uint32(1<<(32-bits))-size)
	for _, bound := range []struct {
		name, text string
		place      *netip.Addr
	}{{"SubnetMin", min, &c.min}, {"SubnetMax", max, &c.max}} {
		if bound.text != "" {
			given, err := netip.ParseAddr(bound.text)
			if err != nil || !given.Is4() {
				return fmt.Errorf("%s is no IPv4 address: %q", bound.name, bound.text)
			}
			*bound.place = given
		}
		if !c.network.Contains(*bound.place) {
			return fmt.Errorf("%s is not in the range of the Network", bound.name)
		}
		if number(*bound.place)%size != 0 {
			return fmt.Errorf("%s is not on a SubnetLen boundary: %v", bound.name, *bound.place)
		}
	}
	return nil
}

// fits says whether the subnet is one that this network leases.
func (c *config) fits(subnet netip.Prefix) bool {
	return !subnet.Addr().Less(c.min) && !c.max.Less(subnet.Addr()) && subnet.Bits() == c.length
}

func number(of netip.Addr) uint32 {
	four := of.As4()
	return binary.BigEndian.Uint32(four[:])
}

func address(of uint32) netip.Addr {
	four := [4]byte{}
	binary.BigEndian.PutUint32(four[:], of)
	return netip.AddrFrom4(four)
}
