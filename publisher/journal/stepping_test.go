package journal_test

import (
	"os"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// stepping calls before ahead of every call of a file system.
type stepping struct {
	journal.FS
	before func()
}

type steppingFile struct {
	journal.File
	before func()
}

func (s *stepping) OpenFile(name string, flag int, perm os.FileMode) (journal.File, error) {
	s.before()
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return steppingFile{f, s.before}, nil
}

func (s *stepping) Remove(name string) error {
	s.before()
	return s.FS.Remove(name)
}

func (s *stepping) Exists(name string) (bool, error) {
	s.before()
	return s.FS.Exists(name)
}

func (s *stepping) ReadDir(dir string) ([]string, error) {
	s.before()
	return s.FS.ReadDir(dir)
}

func (s *stepping) SyncDir(dir string) error {
	s.before()
	return s.FS.SyncDir(dir)
}

func (f steppingFile) ReadAt(b []byte, off int64) (int, error) {
	f.before()
	return f.File.ReadAt(b, off)
}

func (f steppingFile) WriteAt(b []byte, off int64) (int, error) {
	f.before()
	return f.File.WriteAt(b, off)
}

func (f steppingFile) Sync() error {
	f.before()
	return f.File.Sync()
}

func (f steppingFile) Truncate(size int64) error {
	f.before()
	return f.File.Truncate(size)
}
