package kubernetes

import (
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher"
)

// checkSecurity asks the evaluator of the API server's own admission plugin.
func checkSecurity(o *objects) (problems []string) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	pod := o.pod()
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, r := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
		if !r.Allowed {
			problems = append(problems, fmt.Sprintf("restricted Pod Security: %s: %s", r.ForbiddenReason, r.ForbiddenDetail))
		}
	}
	// What restricted does not ask for.
	c := o.bridge().SecurityContext
	if c == nil || c.ReadOnlyRootFilesystem == nil || !*c.ReadOnlyRootFilesystem {
		problems = append(problems, "the root file system can be written")
	}
	if c == nil || c.RunAsUser == nil || *c.RunAsUser != 65532 {
		problems = append(problems, "the bridge does not run as 65532, the user of the image")
	}
	for name, a := range o.accounts {
		if a.AutomountServiceAccountToken == nil || *a.AutomountServiceAccountToken {
			problems = append(problems, fmt.Sprintf("ServiceAccount %s mounts its token", name))
		}
	}
	return problems
}

// checkJournal holds the volume of data_dir against what the configuration
// promises.
func checkJournal(o *objects, c *config.Config) (problems []string) {
	if c.Publisher.Ack != publisher.AckJournal && c.NATS.URL != "" {
		return nil
	}
	mounts := o.bridge().VolumeMounts
	i := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/data" && !m.ReadOnly })
	if i < 0 {
		return []string{"nothing that can be written is mounted on data_dir, and the journal is lost with the pod"}
	}
	name := mounts[i].Name
	if o.stateful != nil {
		claims := o.stateful.Spec.VolumeClaimTemplates
		if slices.ContainsFunc(claims, func(c corev1.PersistentVolumeClaim) bool { return c.Name == name }) {
			return nil
		}
	}
	volumes := o.pod().Spec.Volumes
	if !slices.ContainsFunc(volumes, func(v corev1.Volume) bool { return v.Name == name && v.PersistentVolumeClaim != nil }) {
		problems = append(problems, fmt.Sprintf("volume %s of data_dir is no PersistentVolumeClaim, and the journal is lost with the pod", name))
	}
	if d := o.deployment; d != nil {
		if d.Spec.Replicas == nil || *d.Spec.Replicas != 1 {
			problems = append(problems, "several pods share one journal")
		}
		if d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			problems = append(problems, "a new pod would wait for ever for the journal of the old one")
		}
	} else {
		problems = append(problems, "the pods of a StatefulSet share one claim")
	}
	return problems
}

// checkShutdown: the grace period covers all that an end may take.
func checkShutdown(o *objects, c *config.Config) (problems []string) {
	hook := o.bridge().Lifecycle
	if hook == nil || hook.PreStop == nil || hook.PreStop.Sleep == nil || hook.PreStop.Sleep.Seconds < 1 {
		return []string{"no preStop sleep: while balancers still send, the door would be closed"}
	}
	need := time.Duration(hook.PreStop.Sleep.Seconds)*time.Second + c.ShutdownTimeout
	grace := time.Duration(*o.pod().Spec.TerminationGracePeriodSeconds) * time.Second
	if grace <= need {
		problems = append(problems, fmt.Sprintf("terminationGracePeriodSeconds: %s is not more than %s for sleep and shutdown_timeout", grace, need))
	}
	return problems
}

// TestSidecarIsNative: it starts before the application and ends after it.
func TestSidecarIsNative(t *testing.T) {
	each(t, func(t *testing.T, o *objects) {
		spec, always := o.pod().Spec, corev1.ContainerRestartPolicyAlways
		sidecar := len(spec.InitContainers) > 0
		if got := o.bridge().RestartPolicy; sidecar != (got != nil && *got == always) {
			t.Errorf("restartPolicy: got %v in a sidecar: %v", got, sidecar)
		}
		if o.bridge().StartupProbe.HTTPGet.Path != "/livez" {
			t.Error("the start of the application would wait for NATS")
		}
	})
}
