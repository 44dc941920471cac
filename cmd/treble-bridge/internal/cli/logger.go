package cli

import (
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config"
)

// NewLogger returns a logger of the configured level and format, which must be
// valid. It does not sample: a line per refused delivery is promised.
func NewLogger(c config.LogConfig, w io.Writer) *zap.Logger {
	log, _ := NewLevelLogger(c, w)
	return log
}

// NewLevelLogger is NewLogger with a level that can be changed.
func NewLevelLogger(c config.LogConfig, w io.Writer) (*zap.Logger, zap.AtomicLevel) {
	level, err := zap.ParseAtomicLevel(c.Level)
	if err != nil {
		level = zap.NewAtomicLevel()
	}
	enc := zap.NewProductionEncoderConfig()
	enc.TimeKey = "time"
	enc.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if c.Format == config.FormatConsole {
		enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		if terminal.PaletteFor(w).On {
			enc.EncodeLevel = zapcore.CapitalColorLevelEncoder
		}
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)
	return zap.New(core, zap.ErrorOutput(zapcore.Lock(zapcore.AddSync(w)))), level
}

// NewCommandLogger returns the logger of a command that prints for people: it has what may go
// wrong beside the command.
func NewCommandLogger(streams Streams) *zap.Logger {
	return NewLogger(config.LogConfig{Level: "warn", Format: config.FormatConsole}, streams.Err)
}
