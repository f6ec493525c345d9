// App is the application that the end-to-end tests deploy: it says which version it is, and fails on demand.
//
// Environment:
//
//	PORT          where it listens (8080)
//	START_DELAY   how long it waits before that, such as 5s
//	STOP_DELAY    how long it goes on accepting after SIGTERM (none)
//	CRASH         1: it ends with status 1 at once
//	NEVER_READY   1: /ready answers 503
//
// Paths:
//
//	/ready             its readiness
//	/env               its CUTWATER_* variables and PORT
//	/files?path=DIR    the files below DIR, with mode and SHA-256
//	/file?path=FILE    one file
//	/slow?seconds=N    a line each 100 ms for N seconds, then `done`: an answer that was cut lacks it
//	anything else      app, version, function, pod and path as JSON; the version in X-Version too
//
// On SIGTERM open requests have 25 seconds to end.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if os.Getenv("CRASH") == "1" {
		fmt.Fprintln(os.Stderr, "CRASH=1: ending as told")
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-time.After(delay("START_DELAY")):
	case <-stop:
		return
	}

	http.HandleFunc("/", who)
	http.HandleFunc("/ready", ready)
	http.HandleFunc("/env", env)
	http.HandleFunc("/files", files)
	http.HandleFunc("/file", file)
	http.HandleFunc("/slow", slow)
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server := &http.Server{Addr: ":" + port}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		fmt.Fprintln(os.Stderr, "cannot serve:", err)
		os.Exit(1)
	case <-stop:
	}
	time.Sleep(delay("STOP_DELAY"))
	patience, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		fmt.Fprintln(os.Stderr, "requests were cut:", err)
	}
}

func delay(name string) time.Duration {
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	return d
}

func who(w http.ResponseWriter, r *http.Request) {
	host, _ := os.Hostname()
	answer := map[string]string{
		"app":     os.Getenv("CUTWATER_APP"),
		"version": os.Getenv("CUTWATER_VERSION"),
		"pod":     host,
		"path":    r.URL.Path,
	}
	if function, ok := os.LookupEnv("FUNCTION"); ok {
		answer["function"] = function
	}
	w.Header().Set("X-Version", os.Getenv("CUTWATER_VERSION"))
	send(w, answer)
}

func ready(w http.ResponseWriter, _ *http.Request) {
	if os.Getenv("NEVER_READY") == "1" {
		http.Error(w, "NEVER_READY=1", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

func env(w http.ResponseWriter, _ *http.Request) {
	answer := map[string]string{}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if name == "PORT" || strings.HasPrefix(name, "CUTWATER_") {
			answer[name] = value
		}
	}
	send(w, answer)
}

type entry struct {
	Path   string `json:"path"`
	Mode   string `json:"mode"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

func files(w http.ResponseWriter, r *http.Request) {
	found := []entry{}
	root := r.URL.Query().Get("path")
	if err := walk(root, "", &found); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	send(w, found)
}

// walk follows links, because a volume's files are links into a hidden directory, which it leaves out.
func walk(root, below string, found *[]entry) error {
	items, err := os.ReadDir(filepath.Join(root, below))
	if err != nil {
		return err
	}
	for _, item := range items {
		if strings.HasPrefix(item.Name(), "..") {
			continue
		}
		path := filepath.Join(below, item.Name())
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil {
			return err
		}
		if info.IsDir() {
			if err := walk(root, path, found); err != nil {
				return err
			}
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		mode := fmt.Sprintf("%04o", info.Mode().Perm())
		*found = append(*found, entry{path, mode, len(data), hex.EncodeToString(sum[:])})
	}
	return nil
}

func file(w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(r.URL.Query().Get("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer f.Close()
	_, _ = io.Copy(w, f)
}

func slow(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
	if err != nil {
		http.Error(w, "seconds must be a number", http.StatusBadRequest)
		return
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	flush := http.NewResponseController(w)
	for time.Now().Before(end) {
		if _, err := fmt.Fprintln(w, os.Getenv("CUTWATER_VERSION")); err != nil {
			return
		}
		_ = flush.Flush()
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Fprintln(w, "done")
}

func send(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
