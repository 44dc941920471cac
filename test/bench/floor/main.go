// Command floor answers webhooks and does nothing with them: what HTTP, echo and
// encoding/json cost before anything is kept.
package main

import (
	"log"
	"os"

	"github.com/treble-bridge/treble-bridge/test/bench/webhook"
)

func main() {
	if err := webhook.Serve(os.Getenv("ADDR_FILE"), os.Getenv("TOKEN"), nil); err != nil {
		log.Fatal(err)
	}
}
