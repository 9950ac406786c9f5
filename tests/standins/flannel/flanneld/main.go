// flanneld is a STAND-IN for flannel v0.17.0's daemon, for tests alone: it never ships in a bundle.
//
// It keeps the contract that a host sees: flags and their environment, leases by etcd's v2 API over TLS, subnet.env,
// routes (host-gw) or device, neighbours, forwarding entries and routes (vxlan), iptables rules, healthz, READY=1.
// What it does not know (other backends, IPv6, the Kubernetes API as its store) it refuses.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var version = "v0.17.0" // set by the build

type options struct {
	etcd          etcdOptions
	version       bool
	kubeSubnetMgr bool
	ipMasq        bool
	forwardRules  bool
	resync        int
	subnetFile    string
	iface         words
	ifaceRegex    words
	publicIP      string
	renewMargin   int
	healthzIP     string
	healthzPort   int
}

// words is a flag that may be given more than once.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

func (w *words) Set(word string) error {
	*w = append(*w, word)
	return nil
}

// level is klog's -v.
type level int

func (l *level) String() string { return strconv.Itoa(int(*l)) }

func (l *level) Set(text string) error {
	number, err := strconv.ParseInt(text, 10, 32)
	*l = level(number)
	return err
}

// pairs is klog's -vmodule (pattern=N,...) and -log_backtrace_at (file:line): checked, and otherwise unused.
type pairs struct {
	text, between, apart string
}

func (p *pairs) String() string { return p.text }

func (p *pairs) Set(text string) error {
	for _, part := range strings.Split(text, p.apart) {
		name, number, found := strings.Cut(part, p.between)
		if _, err := strconv.Atoi(number); text != "" && (!found || name == "" || err != nil) {
			return fmt.Errorf("syntax error: expect name%snumber", p.between)
		}
	}
	p.text = text
	return nil
}

// parse reads the flags. As with the real one, an unknown flag is told, and then the exit code is 0: its usage ends
// the program before the flag package would.
func parse(arguments []string) *options {
	made := &options{}
	flags := flag.NewFlagSet("flannel", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, "Usage: %s [OPTION]...\n", os.Args[0])
		flags.PrintDefaults()
		os.Exit(0)
	}
	unused := struct{ kube, api, prefix, config, six string }{}
	flags.StringVar(&made.etcd.endpoints, "etcd-endpoints", "http://127.0.0.1:4001,http://127.0.0.1:2379", "etcd's URLs")
	flags.StringVar(&made.etcd.prefix, "etcd-prefix", "/coreos.com/network", "etcd prefix")
	flags.StringVar(&made.etcd.keyFile, "etcd-keyfile", "", "client key for etcd")
	flags.StringVar(&made.etcd.certFile, "etcd-certfile", "", "client certificate for etcd")
	flags.StringVar(&made.etcd.caFile, "etcd-cafile", "", "etcd's CA")
	flags.StringVar(&made.etcd.username, "etcd-username", "", "etcd's basic authentication")
	flags.StringVar(&made.etcd.password, "etcd-password", "", "etcd's basic authentication")
	flags.Var(&made.iface, "iface", "interface by name or address; may be repeated")
	flags.Var(&made.ifaceRegex, "iface-regex", "interface by a pattern of its name or address; may be repeated")
	flags.StringVar(&made.subnetFile, "subnet-file", "/run/flannel/subnet.env", "file to write the subnet to")
	flags.StringVar(&made.publicIP, "public-ip", "", "address that other nodes reach this one by")
	flags.StringVar(&unused.six, "public-ipv6", "", "not known to the stand-in")
	flags.IntVar(&made.renewMargin, "subnet-lease-renew-margin", 60, "minutes before the lease's end to renew it")
	flags.BoolVar(&made.ipMasq, "ip-masq", false, "masquerade what leaves the network")
	flags.BoolVar(&made.kubeSubnetMgr, "kube-subnet-mgr", false, "refused by the stand-in")
	flags.StringVar(&unused.api, "kube-api-url", "", "unused")
	flags.StringVar(&unused.prefix, "kube-annotation-prefix", "flannel.alpha.coreos.com", "unused")
	flags.StringVar(&unused.kube, "kubeconfig-file", "", "unused")
	flags.StringVar(&unused.config, "net-config-path", "/etc/kube-flannel/net-conf.json", "unused")
	flags.Bool("set-node-network-unavailable", true, "unused")
	flags.BoolVar(&made.version, "version", false, "print version and exit")
	flags.StringVar(&made.healthzIP, "healthz-ip", "0.0.0.0", "address of the healthz server")
	flags.IntVar(&made.healthzPort, "healthz-port", 0, "port of the healthz server; 0: none")
	flags.IntVar(&made.resync, "iptables-resync", 5, "seconds between looks at the iptables rules")
	flags.BoolVar(&made.forwardRules, "iptables-forward-rules", true, "accept forwarded packets of the network")
	flags.Var(new(level), "v", "log level; unused")
	flags.Var(&pairs{between: "=", apart: ","}, "vmodule", "unused")
	flags.Var(&pairs{between: ":", apart: "\x00"}, "log_backtrace_at", "unused")
	_ = flags.Parse(arguments)
	if made.version {
		return made
	}
	if err := fromEnvironment(flags); err != nil {
		die(err)
	}
	return made
}

// fromEnvironment sets what the command line left out from FLANNELD_NAME_OF_FLAG.
func fromEnvironment(flags *flag.FlagSet) error {
	given := map[string]bool{}
	flags.Visit(func(each *flag.Flag) { given[each.Name] = true })
	var failed error
	flags.VisitAll(func(each *flag.Flag) {
		key := "FLANNELD_" + strings.ToUpper(strings.ReplaceAll(each.Name, "-", "_"))
		if value := os.Getenv(key); value != "" && !given[each.Name] {
			if err := flags.Set(each.Name, value); err != nil {
				failed = fmt.Errorf("invalid value %q for %s: %v", value, key, err)
			}
		}
	})
	return failed
}

func die(reasons ...any) {
	log.Print(reasons...)
	os.Exit(1)
}

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("flanneld (stand-in): ")
	opts := parse(os.Args[1:])
	if opts.version {
		fmt.Fprintln(os.Stderr, version+" (STAND-IN, not the real flanneld)")
		return
	}
	log.Printf("STAND-IN for flanneld %s, not the real program", version)
	if opts.renewMargin >= 24*60 || opts.renewMargin <= 0 {
		die("Invalid subnet-lease-renew-margin option, out of acceptable range")
	}
	if opts.kubeSubnetMgr {
		die("kube-subnet-mgr: this stand-in keeps its leases in etcd only")
	}
	store, err := newEtcd(opts.etcd)
	if err != nil {
		die("Failed to create SubnetManager: ", err)
	}
	manager := &manager{store: store, previous: fromSubnetFile(opts.subnetFile, "FLANNEL_SUBNET")}

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if opts.healthzPort > 0 {
		go serveHealthz(opts.healthzIP, opts.healthzPort)
	}
	if err := run(ctx, opts, manager); err != nil && !errors.Is(err, context.Canceled) {
		die(err)
	}
	log.Print("Exiting cleanly...")
}

// run ends without an error when it was told to stop, and when the lease was taken away.
func run(ctx context.Context, opts *options, manager *manager) error {
	config, err := getConfig(ctx, manager)
	if err != nil {
		return err
	}
	external, err := findInterface(opts)
	if err != nil {
		return fmt.Errorf("Failed to find interface to use that matches the interfaces and/or regexes provided: %v", err)
	}
	network, err := register(ctx, config, external, manager)
	if err != nil {
		return err
	}
	rules := []rule{}
	if opts.ipMasq {
		forgetMasquerade(opts.subnetFile, config.network, network.lease.subnet)
		rules = append(rules, masqueradeRules(config.network, network.lease.subnet)...)
	}
	if opts.forwardRules {
		rules = append(rules, forwardRules(config.network)...)
	}
	if len(rules) > 0 {
		go keepRules(rules, time.Duration(opts.resync)*time.Second)
	}
	if err := writeSubnetFile(opts.subnetFile, config.network, network.lease.subnet, network.mtu, opts.ipMasq); err != nil {
		log.Printf("Failed to write subnet file: %s", err)
	} else {
		log.Printf("Wrote subnet file to %s", opts.subnetFile)
	}
	go network.follow(ctx, manager)
	if err := notify("READY=1"); err != nil {
		log.Printf("Failed to notify systemd the message READY=1 %v", err)
	}
	return manager.keepLease(ctx, network.lease, time.Duration(opts.renewMargin)*time.Minute)
}

// getConfig asks every second until the network is there and makes sense.
func getConfig(ctx context.Context, manager *manager) (*config, error) {
	for {
		found, err := manager.config(ctx)
		if err == nil {
			log.Printf("Found network config - Backend type: %s", found.backendType)
			return found, nil
		}
		log.Printf("Couldn't fetch network config: %s", err)
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, long time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(long):
		return nil
	}
}

func serveHealthz(ip string, port int) {
	address := net.JoinHostPort(ip, strconv.Itoa(port))
	log.Printf("Start healthz server on %s", address)
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) {
		_, _ = answer.Write([]byte("flanneld is running"))
	})
	die("Start healthz server error. ", http.ListenAndServe(address, nil))
}

// notify is sd_notify(3).
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer socket.Close()
	_, err = socket.Write([]byte(state))
	return err
}
