package auth

// Addresses returns the number of addresses in the table.
func (f *Failures) Addresses() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.addresses)
}
