package render

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// The label that the patch gives to a pod, so that the Services beside it find
// the pod whatever the application's own labels are.
const (
	patchLabel = "treble-bridge"
	patchValue = "sidecar"
)

const patchHead = `# Puts the bridge into the pod of a Deployment that is there already:
#   kubectl apply -f deployments/kubernetes/sidecar-patch/objects.yaml
#   kubectl patch deployment your-application --patch-file deployments/kubernetes/sidecar-patch/patch.yaml
# terminationGracePeriodSeconds covers 30 s of your application and 40 s of the bridge.
# Made of the example "sidecar" of the Helm chart; do not edit.
`

const objectsHead = `# What the bridge in patch.yaml needs. The Secrets are yours: see README.md.
# Made of the example "sidecar" of the Helm chart; do not edit.
`

type object = map[string]any

// patch returns a strategic merge patch: the parts of the rendered Deployment
// that are the bridge's.
func patch(docs []Document) (string, error) {
	for _, d := range docs {
		var o struct {
			Kind string `json:"kind"`
			Spec struct {
				Template struct {
					Metadata struct {
						Annotations map[string]string `json:"annotations"`
					} `json:"metadata"`
					Spec object `json:"spec"`
				} `json:"template"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal([]byte(d.YAML), &o); err != nil {
			return "", fmt.Errorf("%s: %w", d.Template, err)
		}
		if o.Kind != "Deployment" {
			continue
		}
		spec := object{}
		for _, key := range []string{"initContainers", "volumes", "terminationGracePeriodSeconds"} {
			spec[key] = o.Spec.Template.Spec[key]
		}
		template := object{
			"metadata": object{"labels": object{patchLabel: patchValue}, "annotations": o.Spec.Template.Metadata.Annotations},
			"spec":     spec,
		}
		text, err := yaml.Marshal(object{"spec": object{"template": template}})
		return patchHead + string(text), err
	}
	return "", fmt.Errorf("the example %s has no Deployment", sidecar)
}

// objects returns the ConfigMap and the Services, which select the patch's label.
func objects(docs []Document) (string, error) {
	out := objectsHead
	for _, d := range docs {
		var o object
		if err := yaml.Unmarshal([]byte(d.YAML), &o); err != nil {
			return "", fmt.Errorf("%s: %w", d.Template, err)
		}
		switch o["kind"] {
		case "ConfigMap":
		case "Service":
			o["spec"].(object)["selector"] = object{patchLabel: patchValue}
		default:
			continue
		}
		text, err := yaml.Marshal(o)
		if err != nil {
			return "", err
		}
		out += "---\n" + string(text)
	}
	return out, nil
}
