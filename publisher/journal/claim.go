package journal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/treble-bridge/treble-bridge/publisher/journal/internal/disk"
)

// ErrTaken: another process has opened the directory, or it was removed. The journal
// writes nothing more. See the package documentation.
var ErrTaken = errors.New("another process has taken the directory")

// A claim is an empty file owner-<number>. Whoever opens the journal makes the next
// one and removes those before it, so that the process which made them can see that
// it is no longer the owner.
const claimPrefix = "owner-"

// claimTries bounds how often a claim is made again because another process made one
// at the same time.
const claimTries = 100

// genBits are the low bits of a generation, which count within one claim. So what a
// process begins that has lost the directory is never taken for newer than what
// the new owner has begun.
const genBits = 32

// takeOver makes this process the owner of the directory. What another one told
// anybody before, is in the segments that are listed from now on.
func (j *Journal) takeOver() error {
	for range claimTries {
		_, newest, err := j.claims()
		if err != nil {
			return err
		}
		n := newest + 1
		f, err := j.fs.OpenFile(j.claimPath(n), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("claim the directory: %w", err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			_ = j.fs.Remove(j.claimPath(n))
			return fmt.Errorf("claim the directory: %w", err)
		}
		// Those that came since the listing: a newer one must not be outdone by ours.
		claims, newest, err := j.claims()
		if err != nil {
			return err
		}
		if newest != n {
			continue
		}
		for _, old := range claims {
			if old == n {
				continue
			}
			if err := j.fs.Remove(j.claimPath(old)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("claim the directory: %w", err)
			}
		}
		if err := j.fs.SyncDir(j.dir); err != nil {
			return err
		}
		j.nextGen = n<<genBits | 1
		j.claim.Store(n)
		return nil
	}
	return fmt.Errorf("claim the directory: %w", ErrTaken)
}

// claims lists the claims, and the newest one that there ever was as far as the
// segments tell.
func (j *Journal) claims() (all []uint64, newest uint64, err error) {
	names, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return nil, 0, err
	}
	for _, name := range names {
		if n, ok := parseClaim(name); ok {
			all = append(all, n)
			newest = max(newest, n)
		} else if s := parseName(name); s != nil {
			newest = max(newest, s.gen>>genBits)
		}
	}
	slices.Sort(all)
	return all, newest, nil
}

func parseClaim(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, claimPrefix)
	n, err := strconv.ParseUint(digits, 10, 64-genBits)
	return n, ok && err == nil && n > 0 && n < math.MaxUint32
}

func (j *Journal) claimPath(n uint64) string {
	return filepath.Join(j.dir, claimPrefix+strconv.FormatUint(n, 10))
}

// checkClaim returns nil if this process is still the owner. An ErrTaken is final.
func (j *Journal) checkClaim() error {
	n := j.claim.Load()
	if j.taken {
		return ErrTaken
	}
	if n == 0 {
		return nil // the disk is full; nothing is written before there is a claim
	}
	there, err := j.fs.Exists(j.claimPath(n))
	if err != nil {
		return fmt.Errorf("look whose directory it is: %w", err)
	}
	if there {
		return nil
	}
	return j.lose()
}

// lose ends all writing: the directory is another's.
func (j *Journal) lose() error {
	j.taken, j.down = true, ErrTaken
	j.mu.Lock()
	j.stats.taken = true
	j.mu.Unlock()
	j.setFault(ErrTaken)
	return ErrTaken
}

// takeOverLate makes the claim for which there was no room at Open. What another
// process has added since then, nobody has read.
func (j *Journal) takeOverLate() error {
	if err := j.takeOver(); err != nil {
		return err
	}
	added, err := j.added()
	if err != nil {
		j.claim.Store(0) // the next attempt looks again
		return err
	}
	if added {
		return j.lose()
	}
	return nil
}

// added reports whether another process has added to the journal since Open read it.
func (j *Journal) added() (bool, error) {
	names, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return false, err
	}
	j.mu.Lock()
	known := map[string]bool{}
	for _, s := range append(j.segs[:len(j.segs):len(j.segs)], j.garbage...) {
		known[s.name()] = true
	}
	j.mu.Unlock()
	for _, name := range names {
		if parseName(name) != nil && !known[name] {
			return true, nil
		}
	}
	if j.file == nil {
		return false, nil
	}
	last := j.active()
	size, err := j.file.Size()
	if err != nil || size != last.bytes {
		return true, err
	}
	// A record in the place of zeros leaves the size as it was.
	behind := scanner{f: &disk.Pages{File: j.file}, salt: last.salt, limit: size, expect: j.last + 1}
	_, err = behind.at(j.end)
	if errors.Is(err, io.EOF) || errors.Is(err, errBadFrame) {
		return false, nil
	}
	return true, err
}

// diskWorks returns nil if something can be flushed to the disk, or it is only full.
func (j *Journal) diskWorks() error {
	n := j.claim.Load()
	if n == 0 {
		return nil // the disk was full
	}
	f, err := j.fs.OpenFile(j.claimPath(n), os.O_RDWR, 0)
	if err == nil {
		if err = writeAt(f, []byte{'\n'}, 0); err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
	}
	if noSpace(err) {
		return nil
	}
	return err
}
