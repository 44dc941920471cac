package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// checkFiles judges by owner and mode bits, since doctor may be run by root, who
// may do everything.
func (d *command) checkFiles() []diagnose.Check {
	checks := []diagnose.Check{d.checkDataDir()}
	for _, path := range d.secretFiles() {
		if c, wrong := checkSecretFile(path); wrong {
			checks = append(checks, c)
		}
	}
	return checks
}

// The mode bits that are looked at.
const (
	othersRead  fs.FileMode = 0o004
	othersAny   fs.FileMode = 0o007
	foreignEdit fs.FileMode = 0o022 // group or others may write
	ownerAll    fs.FileMode = 0o700
)

func (d *command) checkDataDir() diagnose.Check {
	dir := d.config.DataDir
	line := func(s diagnose.Status, fix, detail string, args ...any) diagnose.Check {
		return diagnose.Check{Name: "files", Of: dir, Status: s, Detail: fmt.Sprintf(detail, args...), Fix: fix}
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return line(diagnose.Pass, "", "it does not exist yet; the bridge makes it, for itself alone")
	case err != nil:
		return line(diagnose.Fail, cli.ShellWords("ls", "-ld", dir), "%v", errors.Unwrap(err))
	case !info.IsDir():
		return line(diagnose.Fail, diagnose.Setting("data_dir", "<another path>"), "it is a file, and data_dir must be a directory")
	}
	mode := info.Mode().Perm()
	needed := diagnose.Fail
	if d.config.NATS.URL != "" && d.config.Publisher.Ack == publisher.AckStream {
		needed = diagnose.Warn // only the set-aside wants it
	}
	stranger, owner := foreignEntry(dir, info)
	switch {
	case mode&ownerAll != ownerAll:
		return line(needed, cli.ShellWords("chmod", "u+rwx", dir), "its owner may not write it (mode %04o)", mode)
	case os.Geteuid() != 0 && syscall.Access(dir, accessWrite) != nil:
		return line(needed, fmt.Sprintf("sudo chown -R %d:%d %s", os.Geteuid(), os.Getegid(), diagnose.Quote(dir)), "this user may not write it (mode %04o)", mode)
	case stranger != "":
		return line(diagnose.Fail, fmt.Sprintf("sudo chown -R %s %s", owner, diagnose.Quote(dir)), "%s in it belongs to another user, as after a start as root", stranger)
	case mode&0o002 != 0:
		return line(diagnose.Fail, cli.ShellWords("chmod", "700", dir), "everybody may write it (mode %04o)", mode)
	case mode&othersAny != 0:
		return line(diagnose.Warn, cli.ShellWords("chmod", "700", dir), "everybody may look into it, and it holds personal data (mode %04o)", mode)
	}
	return line(diagnose.Pass, "", "for the bridge alone (mode %04o)", mode)
}

// accessWrite is W_OK and X_OK of access(2).
const accessWrite = 2 | 1

// foreignEntry returns an entry of the directory that does not belong to its
// owner, and who that is, as chown takes it.
func foreignEntry(dir string, info fs.FileInfo) (name, owner string) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", ""
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", ""
	}
	for _, e := range entries {
		i, err := e.Info()
		if err != nil {
			continue
		}
		// A volume may belong to root, with a group for the bridge.
		if own, ok := i.Sys().(*syscall.Stat_t); ok && own.Uid != st.Uid && st.Uid != 0 {
			return e.Name(), fmt.Sprintf("%d:%d", st.Uid, st.Gid)
		}
	}
	return "", ""
}

// secretFiles are the files of the configuration that hold secrets.
func (d *command) secretFiles() []string {
	c := d.config
	files := []string{
		c.NATS.TokenFile, c.NATS.PasswordFile, c.NATS.CredentialsFile, c.NATS.NKeyFile, c.NATS.TLS.KeyFile, c.NATS.Embedded.TokenFile, c.NATS.Embedded.TLS.KeyFile,
		c.Ingress.TLS.KeyFile, c.Encryption.KeyFile,
	}
	for _, s := range c.EffectiveSources() {
		files = append(files, s.Auth.Files()...)
	}
	for _, s := range c.Settings() {
		if c.File != "" && s.Origin == config.OriginFile && holdsSecret(s.Value) {
			files = append(files, c.File)
			break
		}
	}
	token := filepath.Join(c.DataDir, cli.DevTokenFile)
	if _, err := os.Stat(token); err == nil {
		files = append(files, token)
	}
	return files
}

// holdsSecret looks for a secret as it is printed.
func holdsSecret(v any) bool { return strings.Contains(fmt.Sprint(v), "<secret>") }

// checkSecretFile reports a file that is open to others. One that is missing is a
// problem of the configuration.
func checkSecretFile(path string) (diagnose.Check, bool) {
	info, err := os.Stat(path)
	if path == "" || err != nil {
		return diagnose.Check{}, false
	}
	c := diagnose.Check{Name: "files", Of: path, Fix: cli.ShellWords("chmod", "600", path)}
	mode := info.Mode().Perm()
	switch {
	case mode&foreignEdit != 0:
		c.Status, c.Detail = diagnose.Fail, fmt.Sprintf("others may change it, and it holds a secret (mode %04o)", mode)
	case mode&othersRead != 0:
		c.Status, c.Detail = diagnose.Warn, fmt.Sprintf("everybody may read it, and it holds a secret (mode %04o)", mode)
	default:
		return c, false
	}
	return c, true
}
