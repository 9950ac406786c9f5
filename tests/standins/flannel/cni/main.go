// flannel is a STAND-IN for the CNI plugin of flannel (v1.0.1), for tests alone: it never ships in a bundle.
//
// It reads subnet.env and hands a configuration made of it to another plugin (bridge), as the real one does.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

var version = "v1.0.1" // set by the build

// What an error is called (CNI specification, "Well-known Error Codes").
const (
	incompatible = 1
	environment  = 4
	undecodable  = 6
	badConfig    = 7
	internal     = 999
)

var versions = []string{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"}

// failure is an error as the runtime wants to read it.
type failure struct {
	CNIVersion string `json:"cniVersion"`
	Code       int    `json:"code"`
	Msg        string `json:"msg"`
	Details    string `json:"details,omitempty"`
}

func (f *failure) Error() string { return f.Msg }

type netConf struct {
	CNIVersion    string         `json:"cniVersion"`
	Name          string         `json:"name"`
	IPAM          map[string]any `json:"ipam"`
	SubnetFile    string         `json:"subnetFile"`
	DataDir       string         `json:"dataDir"`
	Delegate      map[string]any `json:"delegate"`
	RuntimeConfig map[string]any `json:"runtimeConfig"`
}

func main() {
	if os.Getenv("CNI_COMMAND") == "" {
		fmt.Fprintf(os.Stderr, "CNI Plugin flannel version %s (STAND-IN, not the real plugin)\n", version)
		fmt.Fprintf(os.Stderr, "CNI protocol versions supported: %s\n", strings.Join(versions, ", "))
		return
	}
	out, err := run(os.Getenv("CNI_COMMAND"))
	if err != nil {
		said, plain := err.(*failure)
		if !plain {
			said = &failure{Code: internal, Msg: err.Error()}
		}
		if said.CNIVersion == "" {
			said.CNIVersion = versions[len(versions)-1]
		}
		text, _ := json.MarshalIndent(said, "", "    ")
		fmt.Println(string(text))
		os.Exit(1)
	}
	os.Stdout.Write(out)
}

func run(verb string) ([]byte, error) {
	wanted := map[string][]string{
		"ADD":     {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"},
		"CHECK":   {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"},
		"DEL":     {"CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"},
		"VERSION": {},
	}
	names, known := wanted[verb]
	if !known {
		return nil, &failure{Code: environment, Msg: "unknown CNI_COMMAND: " + verb}
	}
	missing := []string{}
	for _, name := range names {
		if os.Getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		msg := fmt.Sprintf("required env variables [%s] missing", strings.Join(missing, ","))
		return nil, &failure{Code: environment, Msg: msg}
	}
	if verb == "VERSION" {
		return json.Marshal(map[string]any{"cniVersion": versions[len(versions)-1], "supportedVersions": versions})
	}
	conf, err := load()
	if err != nil {
		return nil, err
	}
	container := os.Getenv("CNI_CONTAINERID")
	switch verb {
	case "ADD":
		return add(conf, container)
	case "DEL":
		return nil, remove(conf, container)
	}
	return nil, nil // CHECK: the real one looks at nothing either
}

func load() (*netConf, error) {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	conf := &netConf{SubnetFile: "/run/flannel/subnet.env", DataDir: "/var/lib/cni/flannel"}
	if err := json.Unmarshal(text, conf); err != nil {
		return nil, &failure{Code: undecodable, Msg: "failed to load netconf: " + err.Error()}
	}
	declared := conf.CNIVersion
	if declared == "" {
		declared = "0.1.0"
	}
	if !strings.Contains(" "+strings.Join(versions, " ")+" ", " "+declared+" ") {
		return nil, &failure{Code: incompatible, Msg: "incompatible CNI versions",
			Details: fmt.Sprintf("config is %q, plugin supports %q", declared, versions)}
	}
	if conf.Name == "" {
		return nil, &failure{Code: badConfig, Msg: "missing network name:"}
	}
	return conf, nil
}

func add(conf *netConf, container string) ([]byte, error) {
	env, err := readSubnetFile(conf.SubnetFile)
	if err != nil {
		return nil, err
	}
	delegate, err := delegateOf(conf, env)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(delegate)
	if err != nil {
		return nil, err
	}
	// DEL has to undo what was made, whatever the configuration says by then
	if err := os.MkdirAll(conf.DataDir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(conf.DataDir, container), text, 0o600); err != nil {
		return nil, err
	}
	out, err := call(delegate["type"].(string), text)
	if err != nil {
		return nil, fmt.Errorf("failed to delegate add: %w", err)
	}
	return out, nil
}

func remove(conf *netConf, container string) error {
	place := filepath.Join(conf.DataDir, container)
	text, err := os.ReadFile(place)
	if os.IsNotExist(err) {
		return nil // removed already
	}
	if err != nil {
		return err
	}
	delegate := struct{ Type string }{}
	if err := json.Unmarshal(text, &delegate); err != nil {
		fmt.Fprintf(os.Stderr, "failed to parse netconf: %v", err)
		return nil
	}
	if _, err := call(delegate.Type, text); err != nil {
		return err
	}
	_ = os.Remove(place)
	return nil
}

// delegateOf fills in what the configuration leaves open, from subnet.env.
func delegateOf(conf *netConf, env *subnetEnv) (map[string]any, error) {
	made := conf.Delegate
	if made == nil {
		made = map[string]any{}
	}
	if kind, given := made["type"]; given {
		if _, text := kind.(string); !text {
			return nil, errors.New("'delegate' dictionary, if present, must have (string) 'type' field")
		}
	}
	for _, name := range []string{"name", "ipam"} {
		if _, given := made[name]; given {
			return nil, fmt.Errorf("'delegate' dictionary must not have '%s' field, it'll be set by flannel", name)
		}
	}
	if conf.RuntimeConfig != nil {
		made["runtimeConfig"] = conf.RuntimeConfig
	}
	made["name"] = conf.Name
	unless(made, "type", "bridge")
	unless(made, "ipMasq", !*env.masquerade) // if flannel does not, the plugin does
	unless(made, "mtu", *env.mtu)
	if made["type"] == "bridge" {
		unless(made, "isGateway", true)
	}
	if conf.CNIVersion != "" {
		made["cniVersion"] = conf.CNIVersion
	}
	ipam := conf.IPAM
	if ipam == nil {
		ipam = map[string]any{}
	}
	unless(ipam, "type", "host-local")
	ipam["ranges"] = [][]map[string]string{{{"subnet": env.subnet.String()}}}
	routes, ok := ipam["routes"].([]any)
	if _, given := ipam["routes"]; given && !ok {
		return nil, errors.New("failed to assemble Delegate IPAM: failed to parse ipam.routes")
	}
	ipam["routes"] = append(routes, map[string]string{"dst": env.network.String()})
	made["ipam"] = ipam
	return made, nil
}

func unless(in map[string]any, name string, value any) {
	if _, given := in[name]; !given {
		in[name] = value
	}
}

// call runs another plugin with this one's environment.
func call(plugin string, text []byte) ([]byte, error) {
	path := filepath.SplitList(os.Getenv("CNI_PATH"))
	for _, folder := range path {
		program := filepath.Join(folder, plugin)
		if about, err := os.Stat(program); err != nil || !about.Mode().IsRegular() {
			continue
		}
		var out, errs bytes.Buffer
		run := exec.Command(program)
		run.Stdin, run.Stdout, run.Stderr = bytes.NewReader(text), &out, &errs
		if err := run.Run(); err != nil {
			said := &failure{}
			if json.Unmarshal(out.Bytes(), said) == nil && said.Msg != "" {
				return nil, said
			}
			return nil, fmt.Errorf("netplugin failed: %v: %q", err, errs.String())
		}
		return out.Bytes(), nil
	}
	return nil, fmt.Errorf("failed to find plugin %q in path %s", plugin, path)
}

type subnetEnv struct {
	network, subnet *netip.Prefix
	mtu             *uint64
	masquerade      *bool
}

// readSubnetFile splits lines at the first = and knows no quotes; a key without = makes it crash, as the real one.
func readSubnetFile(file string) (*subnetEnv, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	made := &subnetEnv{}
	for _, line := range strings.Split(string(text), "\n") {
		parts := strings.SplitN(line, "=", 2)
		switch parts[0] {
		case "FLANNEL_NETWORK":
			made.network, err = prefix(parts[1])
		case "FLANNEL_SUBNET":
			made.subnet, err = prefix(parts[1])
		case "FLANNEL_MTU":
			var mtu uint64
			mtu, err = strconv.ParseUint(parts[1], 10, 32)
			made.mtu = &mtu
		case "FLANNEL_IPMASQ":
			masquerade := parts[1] == "true"
			made.masquerade = &masquerade
		}
		if err != nil {
			return nil, err
		}
	}
	missing := []string{}
	for name, there := range map[string]bool{
		"FLANNEL_NETWORK": made.network != nil, "FLANNEL_SUBNET": made.subnet != nil,
		"FLANNEL_MTU": made.mtu != nil, "FLANNEL_IPMASQ": made.masquerade != nil,
	} {
		if !there {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%v is missing %v", file, strings.Join(missing, ", "))
	}
	return made, nil
}

func prefix(text string) (*netip.Prefix, error) {
	found, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fmt.Errorf("invalid CIDR address: %s", text)
	}
	found = found.Masked()
	return &found, nil
}
