// Package webhook serves the requests of the simplest servers that could replace the bridge: echo,
// a bearer token, and encoding/json into a struct.
package webhook

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/labstack/echo/v4"
)

// MessageRead is Treble's event of a message that was read.
type MessageRead struct {
	CountryCode    string `json:"country_code"`
	Cellphone      string `json:"cellphone"`
	SessionID      string `json:"session_id"`
	ConversationID int64  `json:"conversation_id"`
	Question       struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"question"`
	SentAt          string            `json:"sent_at"`
	SentText        string            `json:"sent_text"`
	UserSessionKeys []json.RawMessage `json:"user_session_keys"`
	ReadAt          string            `json:"read_at"`
}

// Serve listens on a free port of the loopback, writes the address to a file and
// serves until SIGTERM. accept, if there is one, is called with each event
// before it is answered.
func Serve(addrFile, token string, accept func(*MessageRead) error) error {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard)
	want := []byte("Bearer " + token)
	reply := []byte("{}")
	e.POST("/webhook", func(c echo.Context) error {
		if subtle.ConstantTimeCompare([]byte(c.Request().Header.Get(echo.HeaderAuthorization)), want) != 1 {
			return echo.ErrUnauthorized
		}
		var event MessageRead
		if err := json.NewDecoder(c.Request().Body).Decode(&event); err != nil {
			return echo.ErrBadRequest
		}
		if event.SessionID == "" {
			return echo.ErrUnprocessableEntity
		}
		if accept != nil {
			if err := accept(&event); err != nil {
				return echo.ErrServiceUnavailable
			}
		}
		return c.JSONBlob(http.StatusOK, reply)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.Listener = l
	if err := os.WriteFile(addrFile, []byte(l.Addr().String()), 0o600); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		e.Close()
	}()
	if err := e.Start(""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
