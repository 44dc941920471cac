package auth

// Addresses is how many addresses are in the table.
func (f *Failures) Addresses() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.addresses)
}
