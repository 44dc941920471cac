package repo

// The packages of the module, and what each may know. TestPackages holds the code against
// the rows, and TestPackageTable the table in docs/packages.md.

// row is a package.
type row struct {
	name      string
	imports   string // packages of this module that its code imports: these, and all of them
	libraries string // of libraries, below: it is among those that know them

	// The measure of its code, if it is more than maxLines or maxFiles, and the reason.
	lines, files int
	why          string
}

// The usual measure of a package, without tests.
const (
	maxLines = 2600
	maxFiles = 16
)

var packages = []row{
	{name: "schema", imports: "schema/phone"},
	{name: "schema/phone"},
	{name: "schema/delivery", imports: "schema schema/phone"},
	{name: "schema/schematest", imports: "schema schema/delivery"},
	{name: "schema/internal/generate", imports: "schema schema/schematest"},

	{name: "config/value", libraries: "humanize units"},
	{name: "config/value/certificate", imports: "config/value"},
	{name: "config/value/certificate/certtest", imports: "config/value/certificate"},
	{name: "ingress/auth", imports: "config/value", libraries: "httpguts rate stdwebhooks"},
	{name: "ingress/quota", imports: "config/value", libraries: "rate"},
	{name: "ingress/connections", libraries: "rate"},
	{name: "ingress/listen", imports: "config/value config/value/certificate ingress/auth ingress/connections", libraries: "acme go-proxyproto"},
	{name: "ingress/ops", imports: "ingress/connections ingress/listen schema", libraries: "promhttp"},
	{name: "ingress", imports: "config/value ingress/auth ingress/connections ingress/listen ingress/ops ingress/quota schema schema/delivery", libraries: "echo rate semaphore"},

	{name: "publisher", imports: "config/value publisher/atrest publisher/datadir publisher/internal/batcher publisher/internal/broker publisher/internal/embedded publisher/internal/link publisher/internal/natsconfig publisher/journal publisher/outbox publisher/outbox/ledger publisher/quarantine publisher/setaside publisher/streams schema schema/delivery"},
	{name: "publisher/client", imports: "publisher/internal/broker publisher/internal/natsconfig schema schema/phone", libraries: "nats.go"},
	{name: "publisher/client/clienttest", imports: "publisher/client publisher/internal/natsconfig schema"},
	{name: "publisher/streams", imports: "config/value publisher/client publisher/datadir publisher/internal/broker publisher/internal/natsconfig schema", libraries: "nats-server nats.go"},
	{name: "publisher/audit", imports: "publisher/client publisher/streams", libraries: "nats.go"},
	{name: "publisher/erase", imports: "publisher/atrest publisher/datadir publisher/outbox/ledger publisher/setaside schema"},
	{name: "publisher/inspect", imports: "publisher/atrest publisher/datadir publisher/outbox/ledger publisher/setaside"},
	{name: "publisher/quarantine", imports: "config/value publisher/client publisher/internal/broker publisher/outbox publisher/setaside schema schema/delivery", libraries: "nats.go nuid"},
	{name: "publisher/outbox", imports: "publisher/atrest publisher/internal/broker publisher/journal publisher/outbox/ledger publisher/outbox/pace"},
	{name: "publisher/outbox/ledger", imports: "publisher/atrest publisher/internal/broker publisher/journal"},
	{name: "publisher/outbox/pace"},
	{name: "publisher/outbox/streammodel", imports: "publisher/internal/broker"},
	{name: "publisher/internal/batcher", imports: "publisher/internal/broker publisher/internal/link"},
	{name: "publisher/internal/natsconfig", imports: "config/value config/value/certificate publisher/datadir", libraries: "nats.go nkeys"},
	{name: "publisher/internal/embedded", imports: "config/value config/value/certificate publisher/datadir publisher/internal/natsconfig", libraries: "nats-server"},
	{name: "publisher/internal/link", libraries: "nats.go"},
	{name: "publisher/internal/broker", imports: "config/value publisher/internal/embedded publisher/internal/link publisher/internal/natsconfig", libraries: "nats-server nats.go nuid"},
	{name: "publisher/journal/internal/disk", imports: "publisher/datadir", libraries: "unix"},
	{name: "publisher/journal", imports: "publisher/datadir publisher/journal/internal/disk",
		lines: 3400, files: 25, why: "what recovery relies on crosses segments, commit and scan"},
	{name: "publisher/journal/journaltest", imports: "publisher/journal"},
	{name: "publisher/datadir"},
	{name: "publisher/atrest", imports: "publisher/datadir", libraries: "tink"},
	{name: "publisher/atrest/atresttest", imports: "publisher/atrest"},
	{name: "publisher/setaside", imports: "config/value publisher/atrest publisher/datadir publisher/internal/broker schema"},
	{name: "publisher/control", imports: "publisher/datadir"},
	{name: "publisher/replay", imports: "publisher/audit publisher/client publisher/datadir publisher/streams schema", libraries: "nats-server nats.go rate"},
	{name: "publisher/forget", imports: "publisher/atrest publisher/audit publisher/client publisher/control publisher/datadir publisher/erase publisher/streams schema schema/phone", libraries: "nats.go"},
	{name: "publisher/diagnose", imports: "config/value publisher/client publisher/datadir publisher/internal/link publisher/internal/natsconfig publisher/streams schema", libraries: "nats-server nats.go nuid"},
	{name: "publisher/natstest", imports: "schema schema/delivery", libraries: "nats-server nats.go"},

	{name: "config", imports: "config/value ingress ingress/auth ingress/ops ingress/quota publisher publisher/atrest", libraries: "pflag viper yaml"},
	{name: "cmd/treble-bridge/internal/terminal", libraries: "isatty"},
	{name: "cmd/treble-bridge/internal/redact", imports: "cmd/treble-bridge/internal/terminal config/value schema/phone"},
	{name: "cmd/treble-bridge/internal/cli", imports: "cmd/treble-bridge/internal/redact cmd/treble-bridge/internal/terminal config config/value ingress/ops publisher publisher/client publisher/datadir publisher/diagnose publisher/streams schema", libraries: "cobra humanize pflag"},
	{name: "cmd/treble-bridge/consumers", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/terminal publisher/client", libraries: "cobra humanize"},
	{name: "cmd/treble-bridge/internal/webhook", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/redact config config/value config/value/certificate ingress ingress/auth schema schema/delivery", libraries: "pflag"},
	{name: "cmd/treble-bridge/doctor", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/terminal cmd/treble-bridge/internal/webhook config config/value config/value/certificate ingress ingress/ops publisher publisher/datadir publisher/diagnose publisher/forget schema", libraries: "cobra"},
	{name: "cmd/treble-bridge/events", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/redact cmd/treble-bridge/internal/terminal config/value publisher/client schema schema/phone", libraries: "cobra humanize"},
	{name: "cmd/treble-bridge/forget", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/terminal config publisher/audit publisher/client publisher/forget publisher/streams", libraries: "cobra humanize"},
	{name: "cmd/treble-bridge/journal", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/terminal config config/value publisher/atrest publisher/inspect publisher/outbox/ledger publisher/setaside", libraries: "cobra humanize"},
	{name: "cmd/treble-bridge/keys", imports: "cmd/treble-bridge/internal/cli publisher/atrest", libraries: "cobra"},
	{name: "cmd/treble-bridge/quarantine", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/redact cmd/treble-bridge/internal/terminal cmd/treble-bridge/internal/webhook config config/value publisher/audit publisher/client publisher/forget publisher/quarantine schema schema/delivery schema/phone", libraries: "cobra humanize"},
	{name: "cmd/treble-bridge/replay", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/redact cmd/treble-bridge/internal/terminal cmd/treble-bridge/internal/webhook config/value publisher/audit publisher/client publisher/replay", libraries: "cobra httpguts humanize pflag"},
	{name: "cmd/treble-bridge/send", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/terminal cmd/treble-bridge/internal/webhook config config/value ingress/auth publisher/audit schema", libraries: "cobra errgroup humanize rate"},
	{name: "cmd/treble-bridge/serve", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/webhook config config/value config/value/certificate ingress ingress/ops publisher publisher/control publisher/datadir publisher/forget publisher/streams schema/delivery", libraries: "automemlimit cobra fsnotify go-systemd"},
	{name: "cmd/treble-bridge", imports: "cmd/treble-bridge/consumers cmd/treble-bridge/doctor cmd/treble-bridge/events cmd/treble-bridge/forget cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/terminal cmd/treble-bridge/journal cmd/treble-bridge/keys cmd/treble-bridge/quarantine cmd/treble-bridge/replay cmd/treble-bridge/send cmd/treble-bridge/serve config config/value ingress/ops schema", libraries: "cobra x509roots"},
	{name: "cmd/treble-bridge/internal/clitest", imports: "cmd/treble-bridge/internal/cli cmd/treble-bridge/internal/webhook cmd/treble-bridge/journal cmd/treble-bridge/quarantine cmd/treble-bridge/serve config config/value publisher/datadir publisher/natstest", libraries: "cobra goleak nats-server nats.go yaml"},

	{name: "deployments/release"},
	{name: "test/bridge", imports: "publisher/natstest", libraries: "client_model expfmt nats.go"},
	{name: "test/oracle", imports: "test/bridge"},
	{name: "test/containers", imports: "publisher/natstest test/bridge", libraries: "moby nats.go testcontainers"},
	{name: "test/consumer", imports: "schema", libraries: "nats.go"},
	{name: "test/e2e"},
	{name: "test/faults"},
	{name: "test/soak"},
	{name: "test/attack"},
	{name: "test/deploy"},
	{name: "test/repo"},
}

// libraries are the modules of others, by the names that rows have for them. A package that
// names none of them gets what they do from a package that does.
var libraries = map[string]string{
	"acme":           "golang.org/x/crypto/acme",
	"automemlimit":   "github.com/KimMachineGun/automemlimit",
	"client_model":   "github.com/prometheus/client_model",
	"cobra":          "github.com/spf13/cobra",
	"echo":           "github.com/labstack/echo/v4",
	"expfmt":         "github.com/prometheus/common",
	"errgroup":       "golang.org/x/sync/errgroup",
	"fsnotify":       "github.com/fsnotify/fsnotify",
	"go-systemd":     "github.com/coreos/go-systemd/v22",
	"go-proxyproto":  "github.com/pires/go-proxyproto",
	"goleak":         "go.uber.org/goleak",
	"httpguts":       "golang.org/x/net/http/httpguts",
	"humanize":       "github.com/dustin/go-humanize",
	"isatty":         "github.com/mattn/go-isatty",
	"moby":           "github.com/moby/moby",
	"nats-server":    "github.com/nats-io/nats-server/v2",
	"nats.go":        "github.com/nats-io/nats.go",
	"nkeys":          "github.com/nats-io/nkeys",
	"nuid":           "github.com/nats-io/nuid",
	"pflag":          "github.com/spf13/pflag",
	"promhttp":       "github.com/prometheus/client_golang/prometheus/promhttp",
	"rate":           "golang.org/x/time/rate",
	"stdwebhooks":    "github.com/standard-webhooks/standard-webhooks/libraries/go",
	"semaphore":      "golang.org/x/sync/semaphore",
	"testcontainers": "github.com/testcontainers/testcontainers-go",
	"tink":           "github.com/tink-crypto/tink-go/v2",
	"units":          "github.com/alecthomas/units",
	"unix":           "golang.org/x/sys/unix",
	"viper":          "github.com/spf13/viper",
	"x509roots":      "golang.org/x/crypto/x509roots/fallback",
	"yaml":           "go.yaml.in/yaml/v3",
}

// everybodys are libraries that any package may know: a logger is passed in, and each package
// registers its own metrics.
var everybodys = []string{"go.uber.org/zap", "github.com/prometheus/client_golang/prometheus"}

// helpers are packages for tests; no package of the daemon may bring them along.
var helpers = []string{
	"cmd/treble-bridge/internal/clitest",
	"config/value/certificate/certtest",
	"publisher/atrest/atresttest",
	"publisher/client/clienttest",
	"publisher/journal/journaltest",
	"publisher/natstest",
	"publisher/outbox/streammodel",
	"schema/schematest",
	"test",
}
