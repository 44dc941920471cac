package kubernetes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

func checkReferences(o *objects) []string {
	return slices.Concat(checkNames(o), checkSelectors(o), checkServices(o), checkTargets(o), checkVolumes(o))
}

// checkNames: names and labels are such as the API server takes.
func checkNames(o *objects) (problems []string) {
	for _, object := range o.all {
		m := object.(metav1.Object)
		for _, p := range validation.IsDNS1123Label(m.GetName()) {
			problems = append(problems, fmt.Sprintf("%T %q: %s", object, m.GetName(), p))
		}
		for k, v := range m.GetLabels() {
			for _, p := range append(validation.IsQualifiedName(k), validation.IsValidLabelValue(v)...) {
				problems = append(problems, fmt.Sprintf("%T %s: label %s=%s: %s", object, m.GetName(), k, v, p))
			}
		}
	}
	return problems
}

// checkSelectors: everything that selects pods selects the workload's.
func checkSelectors(o *objects) (problems []string) {
	pod := labels.Set(o.pod().Labels)
	check := func(what string, s *metav1.LabelSelector) {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(pod) {
			problems = append(problems, fmt.Sprintf("%s: its selector %v does not select the pods %v", what, s, pod))
		}
	}
	if o.stateful != nil {
		check("StatefulSet", o.stateful.Spec.Selector)
	}
	if o.deployment != nil {
		check("Deployment", o.deployment.Spec.Selector)
	}
	if o.budget != nil {
		check("PodDisruptionBudget", o.budget.Spec.Selector)
	}
	if o.network != nil {
		check("NetworkPolicy", &o.network.Spec.PodSelector)
	}
	for _, c := range o.pod().Spec.TopologySpreadConstraints {
		check("topologySpreadConstraints", c.LabelSelector)
	}
	for name, s := range o.services {
		check("Service "+name, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})
	}
	return problems
}

// checkServices: a targetPort is a port of the bridge, under its name; the
// public Service has no other than the public port.
func checkServices(o *objects) (problems []string) {
	ports := containerPorts(o)
	for name, s := range o.services {
		for _, p := range s.Spec.Ports {
			if got := ports[p.TargetPort.StrVal]; p.TargetPort.Type != intstr.String || got != p.Port {
				problems = append(problems, fmt.Sprintf("Service %s: port %d leads to %v, which is %d in the container", name, p.Port, p.TargetPort, got))
			}
			if s.Spec.ClusterIP != corev1.ClusterIPNone && p.Port == ports["treble-ops"] {
				problems = append(problems, fmt.Sprintf("Service %s: exposes the ops port", name))
			}
		}
	}
	if o.stateful != nil {
		if s := o.services[o.stateful.Spec.ServiceName]; s == nil || s.Spec.ClusterIP != corev1.ClusterIPNone {
			problems = append(problems, fmt.Sprintf("StatefulSet: serviceName %q is no headless Service", o.stateful.Spec.ServiceName))
		}
	}
	if o.monitor != nil {
		problems = append(problems, checkMonitor(o)...)
	}
	return problems
}

// checkMonitor: exactly one Service is selected, and it has the port.
func checkMonitor(o *objects) (problems []string) {
	found := 0
	for _, s := range o.services {
		if !labels.SelectorFromSet(o.monitor.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
			continue
		}
		found++
		for _, e := range o.monitor.Spec.Endpoints {
			if !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == e.Port }) {
				problems = append(problems, fmt.Sprintf("ServiceMonitor: %s has no port %q", s.Name, e.Port))
			}
		}
	}
	if found != 1 {
		problems = append(problems, fmt.Sprintf("ServiceMonitor: selects %d Services, want 1", found))
	}
	return problems
}

// checkTargets: the autoscaler scales the Deployment and has something to measure
// by; the NetworkPolicy opens the ports of the bridge and no way in but them.
func checkTargets(o *objects) (problems []string) {
	if a := o.autoscaler; a != nil {
		ref := a.Spec.ScaleTargetRef
		if o.deployment == nil || ref.Kind != "Deployment" || ref.APIVersion != "apps/v1" || ref.Name != o.deployment.Name {
			problems = append(problems, fmt.Sprintf("HorizontalPodAutoscaler: scales %v", ref))
		} else if o.deployment.Spec.Replicas != nil {
			problems = append(problems, "HorizontalPodAutoscaler: the Deployment says replicas too, and every upgrade would undo the scaling")
		}
		if o.bridge().Resources.Requests.Cpu().IsZero() {
			problems = append(problems, "HorizontalPodAutoscaler: the container requests no CPU")
		}
	}
	if o.network == nil {
		return problems
	}
	open, ports := map[int32]bool{}, containerPorts(o)
	for _, rule := range o.network.Spec.Ingress {
		for _, p := range rule.Ports {
			open[p.Port.IntVal] = true
			if private := p.Port.IntVal == ports["treble-ops"] || p.Port.IntVal == ports["treble-nats"]; private && len(rule.From) == 0 {
				problems = append(problems, fmt.Sprintf("NetworkPolicy: port %d is open for everybody", p.Port.IntVal))
			}
		}
	}
	if !open[ports["treble-http"]] {
		problems = append(problems, "NetworkPolicy: the public port is closed")
	}
	if !slices.Equal(o.network.Spec.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}) {
		problems = append(problems, "NetworkPolicy: does not limit both ways")
	}
	return problems
}

func containerPorts(o *objects) map[string]int32 {
	ports := map[string]int32{}
	for _, p := range o.bridge().Ports {
		ports[p.Name] = p.ContainerPort
	}
	return ports
}
