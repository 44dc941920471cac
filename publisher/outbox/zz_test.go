package outbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("N"))
	from, _ := strconv.Atoi(os.Getenv("FROM"))
	seen := 0
	began := time.Now()
	for i := from; i < from+n; i++ {
		func() {
			defer func() {
				if p := recover(); p != nil {
					fmt.Println("PANIC seed", i, p)
					if os.Getenv("PANIC") != "" {
						panic(p)
					}
				}
			}()
			if v := simulateSeed(uint64(i), simOptions{}); v != nil {
				seen++
				fmt.Printf("seed %d: %s\n   %s\n", i, v.what, v.schedule)
				if seen == 1 || os.Getenv("TRACE") != "" {
					fmt.Println(v.trace)
				}
			}
		}()
		if seen > 12 {
			break
		}
	}
	fmt.Println(n, "seeds", time.Since(began))
	_ = strings.Join
}
func TestOne(t *testing.T) {
	if v := simulate(parseSchedule(os.Getenv("S")), simOptions{}); v != nil {
		fmt.Println(v)
	}
}
