package kubernetes

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"

	"github.com/treble-bridge/treble-bridge/test/kubernetes/render"
)

// objects are the decoded objects of one rendered chart.
type objects struct {
	all         []runtime.Object
	configs     map[string]*corev1.ConfigMap // by name, as all that follow
	secrets     map[string]*corev1.Secret
	services    map[string]*corev1.Service
	accounts    map[string]*corev1.ServiceAccount
	claims      map[string]*corev1.PersistentVolumeClaim
	stateful    *appsv1.StatefulSet // nil if there is none, as all that follow
	deployment  *appsv1.Deployment
	autoscaler  *autoscalingv2.HorizontalPodAutoscaler
	budget      *policyv1.PodDisruptionBudget
	network     *networkingv1.NetworkPolicy
	monitor     *serviceMonitor
	description string // of the workload, for messages
}

// serviceMonitor has the fields of the Prometheus operator's type that the chart sets; its
// own module would bring the operator's dependencies for four fields.
type serviceMonitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

var decoder = newDecoder()

// newDecoder returns a decoder that takes an unknown field, a field that stands
// there twice and an unknown type for errors.
func newDecoder() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// decode decodes every document, strictly.
func decode(docs []render.Document) (*objects, error) {
	o := &objects{
		configs:  map[string]*corev1.ConfigMap{},
		secrets:  map[string]*corev1.Secret{},
		services: map[string]*corev1.Service{},
		accounts: map[string]*corev1.ServiceAccount{},
		claims:   map[string]*corev1.PersistentVolumeClaim{},
	}
	for _, d := range docs {
		if d.Template == "servicemonitor.yaml" {
			o.monitor = &serviceMonitor{}
			if err := yaml.UnmarshalStrict([]byte(d.YAML), o.monitor); err != nil {
				return nil, fmt.Errorf("%s: %w", d.Template, err)
			}
			continue
		}
		object, _, err := decoder.Decode([]byte(d.YAML), nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Template, err)
		}
		if err := o.add(object); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Template, err)
		}
	}
	return o, nil
}

func (o *objects) add(object runtime.Object) error {
	o.all = append(o.all, object)
	switch x := object.(type) {
	case *corev1.ConfigMap:
		o.configs[x.Name] = x
	case *corev1.Secret:
		o.secrets[x.Name] = x
	case *corev1.Service:
		o.services[x.Name] = x
	case *corev1.ServiceAccount:
		o.accounts[x.Name] = x
	case *corev1.PersistentVolumeClaim:
		o.claims[x.Name] = x
	case *appsv1.StatefulSet:
		o.stateful, o.description = x, "StatefulSet"
	case *appsv1.Deployment:
		o.deployment, o.description = x, "Deployment"
	case *autoscalingv2.HorizontalPodAutoscaler:
		o.autoscaler = x
	case *policyv1.PodDisruptionBudget:
		o.budget = x
	case *networkingv1.NetworkPolicy:
		o.network = x
	default:
		return fmt.Errorf("%T: the tests know no such object", object)
	}
	return nil
}

// pod returns the pod template of the workload.
func (o *objects) pod() *corev1.PodTemplateSpec {
	if o.stateful != nil {
		return &o.stateful.Spec.Template
	}
	return &o.deployment.Spec.Template
}

// bridge returns the bridge's container, or nil.
func (o *objects) bridge() *corev1.Container {
	spec := &o.pod().Spec
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if list[i].Name == "treble-bridge" {
				return &list[i]
			}
		}
	}
	return nil
}

// install renders the chart with the values and decodes what comes out.
func install(t *testing.T, values map[string]any) *objects {
	t.Helper()
	docs, notes, err := chart(t).Render(release, values)
	if err != nil {
		t.Fatal(err)
	}
	if notes == "" {
		t.Error("NOTES.txt is empty")
	}
	o, err := decode(docs)
	if err != nil {
		t.Fatal(err)
	}
	if o.stateful == nil && o.deployment == nil || o.bridge() == nil {
		t.Fatal("no workload with the bridge in it was rendered")
	}
	return o
}
