package main

import (
	"log"
	"net/netip"
	"strings"
	"time"
)

// rule is a rule of iptables: its table, and the words from the chain on.
type rule struct {
	table string
	words []string
}

func (r rule) run(action string) error {
	words := append([]string{"iptables", "-w", "-t", r.table, action}, r.words...)
	_, err := command(words...)
	return err
}

func made(table, chain, match, comment, target string) rule {
	words := append([]string{chain}, strings.Fields(match)...)
	words = append(words, "-m", "comment", "--comment", comment, "-j")
	return rule{table, append(words, strings.Fields(target)...)}
}

func forwardRules(network netip.Prefix) []rule {
	return []rule{
		made("filter", "FORWARD", "-s "+network.String(), "flanneld forward", "ACCEPT"),
		made("filter", "FORWARD", "-d "+network.String(), "flanneld forward", "ACCEPT"),
	}
}

func masqueradeRules(network, subnet netip.Prefix) []rule {
	whole, own := network.String(), subnet.String()
	masq := func(match, target string) rule { return made("nat", "POSTROUTING", match, "flanneld masq", target) }
	return []rule{
		masq("-s "+whole+" -d "+whole, "RETURN"),
		masq("-s "+whole+" ! -d 224.0.0.0/4", "MASQUERADE --random-fully"),
		masq("! -s "+whole+" -d "+own, "RETURN"),
		masq("! -s "+whole+" -d "+whole, "MASQUERADE --random-fully"),
	}
}

// keepRules looks after them for ever; when one is missing all are made anew, as their order matters. They stay when
// this program ends.
func keepRules(rules []rule, every time.Duration) {
	for ; ; time.Sleep(every) {
		complete := true
		for _, each := range rules {
			complete = complete && each.run("-C") == nil
		}
		if complete {
			continue
		}
		log.Print("Some iptables rules are missing; deleting and recreating rules")
		for _, each := range rules {
			_ = each.run("-D")
		}
		for _, each := range rules {
			if err := each.run("-A"); err != nil {
				log.Printf("Failed to ensure iptables rules: %v", err)
			}
		}
	}
}

// forgetMasquerade takes away the rules of an earlier run when both its network and its subnet were others.
func forgetMasquerade(file string, network, subnet netip.Prefix) {
	before, own := fromSubnetFile(file, "FLANNEL_NETWORK"), fromSubnetFile(file, "FLANNEL_SUBNET")
	if !before.IsValid() || !own.IsValid() || before == network || own == subnet {
		return
	}
	for _, each := range masqueradeRules(before, own) {
		_ = each.run("-D")
	}
}
