package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type etcdOptions struct {
	endpoints, prefix, keyFile, certFile, caFile, username, password string
}

// etcd speaks the v2 keys API, and nothing else.
type etcd struct {
	etcdOptions
	http *http.Client
	turn sync.Mutex // for urls
	urls []string
}

// The error codes of etcd's v2 API that mean something here.
const (
	keyNotFound  = 100
	nodeExists   = 105
	indexCleared = 401
)

type etcdError struct {
	Code    int    `json:"errorCode"`
	Message string `json:"message"`
	Cause   string `json:"cause"`
	Index   uint64 `json:"index"`
}

func (e *etcdError) Error() string {
	return fmt.Sprintf("%d: %s (%s) [%d]", e.Code, e.Message, e.Cause, e.Index)
}

func isCode(err error, code int) bool {
	var said *etcdError
	return errors.As(err, &said) && said.Code == code
}

type node struct {
	Key           string     `json:"key"`
	Value         string     `json:"value"`
	Nodes         []node     `json:"nodes"`
	ModifiedIndex uint64     `json:"modifiedIndex"`
	Expiration    *time.Time `json:"expiration"`
}

type answer struct {
	Action string `json:"action"`
	Node   node   `json:"node"`
	index  uint64
}

var errNothing = errors.New("client: response body is empty")

func newEtcd(opts etcdOptions) (*etcd, error) {
	secure, err := tlsConfig(opts)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     secure,
	}
	made := &etcd{etcdOptions: opts, http: &http.Client{Transport: transport}}
	for _, each := range strings.Split(opts.endpoints, ",") {
		parsed, err := url.Parse(each)
		if err != nil {
			return nil, err
		}
		if parsed.Scheme == "" || parsed.Host == "" {
			return nil, fmt.Errorf("%q is no URL of an etcd", each)
		}
		made.urls = append(made.urls, strings.TrimSuffix(each, "/"))
	}
	return made, nil
}

func tlsConfig(opts etcdOptions) (*tls.Config, error) {
	made := &tls.Config{MinVersion: tls.VersionTLS12}
	if opts.caFile != "" {
		pem, err := os.ReadFile(opts.caFile)
		if err != nil {
			return nil, err
		}
		made.RootCAs = x509.NewCertPool()
		if !made.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: holds no certificate", opts.caFile)
		}
	}
	if (opts.certFile == "") != (opts.keyFile == "") {
		return nil, errors.New("etcd-certfile and etcd-keyfile must both be given, or neither")
	}
	if opts.certFile != "" {
		pair, err := tls.LoadX509KeyPair(opts.certFile, opts.keyFile)
		if err != nil {
			return nil, err
		}
		made.Certificates = []tls.Certificate{pair}
	}
	return made, nil
}

func (e *etcd) get(ctx context.Context, key string) (*answer, error) {
	return e.ask(ctx, http.MethodGet, key, url.Values{"recursive": {"true"}, "quorum": {"true"}}, nil)
}

// set writes the key; a ttl of 0 is for ever. With fresh it must not be there yet.
func (e *etcd) set(ctx context.Context, key, value string, ttl time.Duration, fresh bool) (*answer, error) {
	form := url.Values{"value": {value}}
	if ttl > 0 {
		form.Set("ttl", strconv.Itoa(int(ttl.Seconds())))
	}
	query := url.Values{}
	if fresh {
		query.Set("prevExist", "false")
	}
	return e.ask(ctx, http.MethodPut, key, query, form)
}

func (e *etcd) remove(ctx context.Context, key string) error {
	_, err := e.ask(ctx, http.MethodDelete, key, nil, nil)
	return err
}

// wait gives the first change of the key, or of one below it, after the index.
func (e *etcd) wait(ctx context.Context, key string, after uint64) (*answer, error) {
	query := url.Values{"wait": {"true"}, "recursive": {"true"}, "waitIndex": {strconv.FormatUint(after+1, 10)}}
	for {
		found, err := e.ask(ctx, http.MethodGet, key, query, nil)
		if !errors.Is(err, errNothing) { // etcd ends a wait after some minutes, with nothing to say
			return found, err
		}
	}
}

// ask tries one member after the other; the one that answered is asked first the next time.
func (e *etcd) ask(ctx context.Context, method, key string, query, form url.Values) (*answer, error) {
	e.turn.Lock()
	urls := append([]string{}, e.urls...)
	e.turn.Unlock()
	failed := []string{}
	for number, base := range urls {
		found, err := e.askOne(ctx, method, base+"/v2/keys"+e.prefix+key+"?"+query.Encode(), form)
		var said *etcdError
		if err == nil || errors.As(err, &said) || errors.Is(err, errNothing) {
			e.prefer(base)
			return found, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = append(failed, fmt.Sprintf("error #%d: %v", number, err))
	}
	return nil, fmt.Errorf("client: etcd cluster is unavailable or misconfigured; %s", strings.Join(failed, "; "))
}

func (e *etcd) prefer(base string) {
	e.turn.Lock()
	defer e.turn.Unlock()
	for number, each := range e.urls {
		if each == base {
			e.urls[0], e.urls[number] = e.urls[number], e.urls[0]
			return
		}
	}
}

func (e *etcd) askOne(ctx context.Context, method, address string, form url.Values) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if e.username != "" {
		request.SetBasicAuth(e.username, e.password)
	}
	response, err := e.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 == 5 {
		return nil, fmt.Errorf("client: etcd member %s has no leader or is ill (%s)", address, response.Status)
	}
	if response.StatusCode/100 == 2 && len(body) == 0 {
		return nil, errNothing
	}
	if response.StatusCode/100 != 2 {
		said := &etcdError{}
		if err := json.Unmarshal(body, said); err != nil || said.Code == 0 {
			return nil, errors.New("client: response is invalid json") // what an etcd without --enable-v2 looks like
		}
		return nil, said
	}
	found := &answer{}
	if err := json.Unmarshal(body, found); err != nil {
		return nil, errors.New("client: response is invalid json")
	}
	found.index, _ = strconv.ParseUint(response.Header.Get("X-Etcd-Index"), 10, 64)
	return found, nil
}
