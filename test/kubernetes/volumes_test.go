package kubernetes

import "fmt"

// theirClaim is the claim that a user of the chart made.
const theirClaim = "theirs"

// checkVolumes: every mount has its volume, every volume its source, and no two
// volumes or ports share a name.
func checkVolumes(o *objects) (problems []string) {
	spec, names := o.pod().Spec, map[string]bool{}
	if o.stateful != nil {
		for _, c := range o.stateful.Spec.VolumeClaimTemplates {
			names[c.Name] = true
		}
	}
	for _, v := range spec.Volumes {
		if names[v.Name] {
			problems = append(problems, fmt.Sprintf("volume %s stands there twice", v.Name))
		}
		names[v.Name] = true
		if v.ConfigMap != nil && o.configs[v.ConfigMap.Name] == nil {
			problems = append(problems, fmt.Sprintf("volume %s: there is no ConfigMap %s", v.Name, v.ConfigMap.Name))
		}
		if c := v.PersistentVolumeClaim; c != nil && o.claims[c.ClaimName] == nil && c.ClaimName != theirClaim {
			problems = append(problems, fmt.Sprintf("volume %s: there is no PersistentVolumeClaim %s", v.Name, c.ClaimName))
		}
	}
	for _, m := range o.bridge().VolumeMounts {
		if !names[m.Name] {
			problems = append(problems, fmt.Sprintf("%s: there is no volume %s", m.MountPath, m.Name))
		}
	}
	if a := spec.ServiceAccountName; len(o.accounts) > 0 && o.accounts[a] == nil {
		problems = append(problems, fmt.Sprintf("there is no ServiceAccount %s", a))
	}
	return problems
}
