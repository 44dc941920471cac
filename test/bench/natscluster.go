package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// nodes are the nats-servers of one cluster, or a single one.
type nodes []*natsServer

// newNodes makes one server, or a cluster of several, that are not started yet.
func (b *bench) newNodes(name string, n int) (nodes, error) {
	var ns nodes
	for i := range n {
		s, err := b.newNATS(fmt.Sprintf("%s-%d", name, i+1))
		if err != nil {
			return nil, err
		}
		ns = append(ns, s)
	}
	if n == 1 {
		return ns, nil
	}
	// The servers must know each other's address before they start.
	routes, err := freeAddrs(n)
	if err != nil {
		return nil, err
	}
	for i, s := range ns {
		s.config = fmt.Sprintf("server_name: n%d\ncluster {\n  name: bench\n  listen: %q\n  routes: [%s]\n}\n",
			i+1, routes[i], "nats://"+strings.Join(routes, ", nats://"))
	}
	return ns, nil
}

// startNodes is newNodes, and starts them.
func (b *bench) startNodes(ctx context.Context, name string, n int) (nodes, error) {
	ns, err := b.newNodes(name, n)
	if err != nil {
		return nil, err
	}
	return ns, ns.start(ctx)
}

// freeAddrs are addresses on which no process listens now.
func freeAddrs(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

// start starts all and returns when they serve.
func (ns nodes) start(ctx context.Context) error {
	for _, s := range ns {
		if err := s.startProcess(); err != nil {
			return err
		}
	}
	for _, s := range ns {
		if err := s.awaitServing(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stop ends all.
func (ns nodes) stop() error {
	var errs []error
	for _, s := range ns {
		errs = append(errs, s.Stop(20*time.Second))
	}
	return errors.Join(errs...)
}

// restart ends all and starts them, and returns when it began to, and the stream.
func (ns nodes) restart(ctx context.Context) (began time.Time, s *stream, err error) {
	if err := ns.stop(); err != nil {
		return began, nil, err
	}
	began = time.Now()
	if err := ns.start(ctx); err != nil {
		return began, nil, err
	}
	s, err = openStream(ns.url())
	return began, s, err
}

// url has the addresses of all.
func (ns nodes) url() string {
	var urls []string
	for _, s := range ns {
		urls = append(urls, s.url())
	}
	return strings.Join(urls, ",")
}
