// Says which traffic some NetworkPolicies let through, as cyclonus reads them: somebody else's code, which knows
// nothing of Tenantry.
//
//	cyclonus < {"policies": [NetworkPolicy…], "traffic": [{"from": PEER, "to": PEER, "port": 80, "protocol": "TCP"}]}
//
// A peer is {"ip": "10.0.0.1"}, with "namespace", "namespaceLabels" and "podLabels" where it is a pod. Prints a list of
// true and false, one for each of the traffic.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
)

type peer struct {
	IP              string            `json:"ip"`
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	PodLabels       map[string]string `json:"podLabels"`
}

type asked struct {
	Policies []*networking.NetworkPolicy `json:"policies"`
	Traffic  []struct {
		From     peer          `json:"from"`
		To       peer          `json:"to"`
		Port     int           `json:"port"`
		Protocol core.Protocol `json:"protocol"`
	} `json:"traffic"`
}

func (p peer) end() *matcher.TrafficPeer {
	end := &matcher.TrafficPeer{IP: p.IP}
	if p.Namespace != "" {
		end.Internal = &matcher.InternalPeer{
			Namespace: p.Namespace, NamespaceLabels: p.NamespaceLabels, PodLabels: p.PodLabels,
		}
	}
	return end
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cyclonus:", err)
		os.Exit(1)
	}
}

func run() error {
	var all asked
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil {
		return err
	}
	policies := matcher.BuildNetworkPolicies(true, all.Policies)
	answers := make([]bool, 0, len(all.Traffic))
	for _, one := range all.Traffic {
		answers = append(answers, policies.IsTrafficAllowed(&matcher.Traffic{
			Source: one.From.end(), Destination: one.To.end(), ResolvedPort: one.Port, Protocol: one.Protocol,
		}).IsAllowed())
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}
