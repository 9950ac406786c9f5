package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand"
	"net/netip"
	"path"
	"strings"
	"time"
)

const (
	leaseTime = 24 * time.Hour
	races     = 10
)

// attributes is a lease's value in etcd.
type attributes struct {
	PublicIP    netip.Addr
	PublicIPv6  *string
	BackendType string          `json:",omitempty"`
	BackendData json.RawMessage `json:",omitempty"`
}

// lease is a node's subnet; one that has no expiration is a reservation.
type lease struct {
	subnet     netip.Prefix
	attributes attributes
	expiration time.Time
}

type manager struct {
	store    *etcd
	previous netip.Prefix
}

var errTryAgain = errors.New("try again")

func (m *manager) config(ctx context.Context) (*config, error) {
	found, err := m.store.get(ctx, "/config")
	if err != nil {
		return nil, err
	}
	return parseConfig(found.Node.Value)
}

// leases gives all of them, and the index that they are as of.
func (m *manager) leases(ctx context.Context) ([]lease, uint64, error) {
	found, err := m.store.get(ctx, "/subnets")
	var said *etcdError
	if errors.As(err, &said) && said.Code == keyNotFound {
		return nil, said.Index, nil
	}
	if err != nil {
		return nil, 0, err
	}
	made := []lease{}
	for _, each := range found.Node.Nodes {
		one, err := leaseOf(each)
		if err != nil {
			log.Printf("Ignoring bad subnet node: %v", err)
			continue
		}
		made = append(made, one)
	}
	return made, found.index, nil
}

func leaseOf(from node) (lease, error) {
	made := lease{}
	var err error
	if made.subnet, err = subnetOf(from.Key); err != nil {
		return made, err
	}
	if from.Expiration != nil {
		made.expiration = *from.Expiration
	}
	return made, json.Unmarshal([]byte(from.Value), &made.attributes)
}

func keyOf(subnet netip.Prefix) string {
	return "/subnets/" + strings.ReplaceAll(subnet.String(), "/", "-")
}

func subnetOf(key string) (netip.Prefix, error) {
	found, err := netip.ParsePrefix(strings.ReplaceAll(path.Base(key), "-", "/"))
	if err != nil || !found.Addr().Is4() {
		return found, fmt.Errorf("failed to parse subnet key %s", key)
	}
	return found, nil
}

func (m *manager) acquire(ctx context.Context, config *config, mine attributes) (*lease, error) {
	for try := 0; try < races; try++ {
		found, err := m.tryAcquire(ctx, config, mine)
		if !errors.Is(err, errTryAgain) {
			return found, err
		}
	}
	return nil, errors.New("Max retries reached trying to acquire a subnet")
}

// tryAcquire takes, in this order: the lease of this host's address, the subnet of subnet.env, any that is free.
func (m *manager) tryAcquire(ctx context.Context, config *config, mine attributes) (*lease, error) {
	all, _, err := m.leases(ctx)
	if err != nil {
		return nil, err
	}
	for _, each := range all {
		if each.attributes.PublicIP != mine.PublicIP {
			continue
		}
		if config.fits(each.subnet) {
			log.Printf("Found lease (%v) for current IP (%v), reusing", each.subnet, mine.PublicIP)
			ttl := leaseTime
			if each.expiration.IsZero() { // a reservation stays one
				ttl = 0
			}
			return m.write(ctx, each.subnet, mine, ttl, false)
		}
		log.Printf("Found lease (%v) for current IP (%v) but not compatible with current config, deleting",
			each.subnet, mine.PublicIP)
		if err := m.store.remove(ctx, keyOf(each.subnet)); err != nil {
			return nil, err
		}
		break
	}
	subnet, err := m.choose(config, all)
	if err != nil {
		return nil, err
	}
	made, err := m.write(ctx, subnet, mine, leaseTime, true)
	if isCode(err, nodeExists) {
		return nil, errTryAgain
	}
	if err == nil {
		log.Printf("Allocated lease (%v) to current node (%v)", subnet, mine.PublicIP)
	}
	return made, err
}

func (m *manager) choose(config *config, all []lease) (netip.Prefix, error) {
	if m.previous.IsValid() && !taken(m.previous, all) {
		if config.fits(m.previous) {
			log.Printf("Found previously leased subnet (%v), reusing", m.previous)
			return m.previous, nil
		}
		log.Printf("Found previously leased subnet (%v) that is not compatible with the Etcd network config, ignoring",
			m.previous)
	}
	log.Printf("Picking subnet in range %s ... %s", config.min, config.max)
	free := []netip.Prefix{}
	size := uint64(1) << (32 - config.length)
	for at := uint64(number(config.min)); at <= uint64(number(config.max)) && len(free) < 100; at += size {
		each := netip.PrefixFrom(address(uint32(at)), config.length)
		if !overlaps(each, all) {
			free = append(free, each)
		}
	}
	if len(free) == 0 {
		return netip.Prefix{}, errors.New("out of subnets")
	}
	return free[rand.New(rand.NewSource(time.Now().UnixNano())).Intn(len(free))], nil
}

func taken(subnet netip.Prefix, all []lease) bool {
	for _, each := range all {
		if each.subnet == subnet {
			return true
		}
	}
	return false
}

func overlaps(subnet netip.Prefix, all []lease) bool {
	for _, each := range all {
		if each.subnet.Overlaps(subnet) {
			return true
		}
	}
	return false
}

func (m *manager) write(
	ctx context.Context, subnet netip.Prefix, mine attributes, ttl time.Duration, fresh bool,
) (*lease, error) {
	value, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	found, err := m.store.set(ctx, keyOf(subnet), string(value), ttl, fresh)
	if err != nil {
		return nil, err
	}
	made := &lease{subnet: subnet, attributes: mine}
	if found.Node.Expiration != nil {
		made.expiration = *found.Node.Expiration
	}
	return made, nil
}

// keepLease renews the lease before it ends, a reservation never; it returns when the lease was taken away.
func (m *manager) keepLease(ctx context.Context, mine *lease, margin time.Duration) error {
	changes := make(chan lease)
	removed := make(chan struct{})
	go m.watchOwn(ctx, mine.subnet, changes, removed)
	expiration := mine.expiration
	wait := func() <-chan time.Time {
		if expiration.IsZero() {
			return nil
		}
		return time.After(time.Until(expiration) - margin)
	}
	due := wait()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-removed:
			log.Print("Lease has been revoked. Shutting down daemon.")
			return nil
		case change := <-changes:
			expiration = change.expiration
			due = wait()
		case <-due:
			renewed, err := m.write(ctx, mine.subnet, mine.attributes, leaseTime, false)
			if err != nil {
				log.Printf("Error renewing lease (trying again in 1 min): %v", err)
				due = time.After(time.Minute)
				continue
			}
			log.Printf("Lease renewed, new expiration: %v", renewed.expiration)
			expiration = renewed.expiration
			due = wait()
		}
	}
}

func (m *manager) watchOwn(ctx context.Context, subnet netip.Prefix, changes chan<- lease, removed chan<- struct{}) {
	var index uint64
	for ctx.Err() == nil {
		if index == 0 {
			found, err := m.store.get(ctx, keyOf(subnet))
			if err != nil { // also when the lease is gone: as the real one, which then runs on without it
				log.Printf("Watch subnet: %v", err)
				_ = pause(ctx, time.Second)
				continue
			}
			index = found.index
		}
		change, err := m.store.wait(ctx, keyOf(subnet), index)
		switch {
		case isCode(err, indexCleared):
			log.Print("Watch of subnet leases failed because etcd index outside history window")
			index = 0
		case err != nil:
			log.Printf("Watch subnet: %v", err)
			_ = pause(ctx, time.Second)
		case change.Action == "delete" || change.Action == "expire":
			close(removed)
			return
		default:
			index = change.Node.ModifiedIndex
			if one, err := leaseOf(change.Node); err == nil {
				changes <- one
			}
		}
	}
}

// event is a lease of another node that came, changed, or went.
type event struct {
	removed bool
	lease   lease
}

// watchAll sends what there is first, and every change from then on; this node's own lease is left out.
func (m *manager) watchAll(ctx context.Context, own netip.Prefix, events chan<- []event) {
	known := map[netip.Prefix]lease{}
	var index uint64
	for listed := false; ctx.Err() == nil; {
		if !listed {
			all, asOf, err := m.leases(ctx)
			if err != nil {
				log.Printf("Watch subnets: failed to retrieve subnet leases: %v", err)
				_ = pause(ctx, time.Second)
				continue
			}
			listed, index = true, asOf
			events <- reset(known, all, own)
		}
		change, err := m.store.wait(ctx, "/subnets", index)
		switch {
		case isCode(err, indexCleared):
			log.Print("Watch of subnet leases failed because etcd index outside history window")
			listed = false
		case err != nil:
			log.Printf("Watch subnets: %v", err)
			_ = pause(ctx, time.Second)
		default:
			index = change.Node.ModifiedIndex
			events <- update(known, change, own)
		}
	}
}

// reset compares a whole list with what is known.
func reset(known map[netip.Prefix]lease, all []lease, own netip.Prefix) []event {
	made := []event{}
	there := map[netip.Prefix]bool{own: true}
	for _, each := range all {
		there[each.subnet] = true
		if _, found := known[each.subnet]; !found && each.subnet != own {
			made = append(made, event{lease: each})
			known[each.subnet] = each
		}
	}
	for subnet, each := range known {
		if !there[subnet] {
			made = append(made, event{removed: true, lease: each})
			delete(known, subnet)
		}
	}
	return made
}

func update(known map[netip.Prefix]lease, change *answer, own netip.Prefix) []event {
	subnet, err := subnetOf(change.Node.Key)
	if err != nil {
		log.Printf("%s %q: not a subnet, skipping", change.Action, change.Node.Key)
		return nil
	}
	if subnet == own {
		return nil
	}
	if change.Action == "delete" || change.Action == "expire" {
		gone, found := known[subnet]
		delete(known, subnet)
		if !found {
			return nil
		}
		return []event{{removed: true, lease: gone}}
	}
	one, err := leaseOf(change.Node)
	if err != nil {
		log.Printf("Ignoring bad subnet node: %v", err)
		return nil
	}
	known[subnet] = one
	return []event{{lease: one}}
}
