// Command s3lo-test-vault runs a Vault core of HashiCorp's own code in memory, for the tests: none of
// its answers were written for this project.
//
// It serves on a free port of 127.0.0.1, prints the address on stdout once it does, and ends with its stdin:
//
//	ready ADDRESS ADMIN_ADDRESS UNSEAL_KEY
//
// The admin address is always plain HTTP: where TLS is served, the setup of a test needs neither a
// certificate nor a CA. All else is set up over Vault's own API, by the root token of VAULT_DEV_TOKEN.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	jwt "github.com/hashicorp/vault-plugin-auth-jwt"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

var (
	certificate = flag.String("tls-cert", "", "serve TLS by this certificate `file`")
	privateKey  = flag.String("tls-key", "", "the certificate's private key `file`")
	clientCA    = flag.String("client-ca", "", "demand client certificates of the CA in this `file`")
	sealed      = flag.Bool("sealed", false, "serve sealed")
	logLevel    = flag.String("log", "off", "log to stderr: debug, info, warn, error or off")
)

// The mounts from the start. Kinds are those of the registry below.
var mounts = []struct{ path, kind string }{
	{"sys/mounts/transit", "transit"},
	{"sys/mounts/team/a/transit", "transit"}, // a mount's path may have slashes
	{"sys/auth/approle", "approle"},
	{"sys/auth/jwt", "jwt"},
	{"sys/auth/kubernetes", "kubernetes"},
}

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "s3lo-test-vault:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	token := os.Getenv("VAULT_DEV_TOKEN")
	if token == "" {
		return errors.New("VAULT_DEV_TOKEN, the root token to be, is not set")
	}
	tlsConfig, err := serverTLS()
	if err != nil {
		return err
	}
	core, unsealKey, err := newCore(ctx, token)
	if err != nil {
		return err
	}
	if *sealed {
		if err := core.Seal(token); err != nil {
			return err
		}
	}

	// Vault's handler reads the listener's configuration without a check: it has to be there, if empty.
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{},
	})
	failed := make(chan error, 2)
	admin, err := serve(handler, nil, failed)
	if err != nil {
		return err
	}
	address := admin
	if tlsConfig != nil {
		if address, err = serve(handler, tlsConfig, failed); err != nil {
			return err
		}
	}
	// The listeners accept connections from here on: the reader of this line need not try again.
	fmt.Println("ready", address, admin, hex.EncodeToString(unsealKey))

	// The tests hold the other end of stdin. It closes with them however they end, so that no server
	// outlives the run that started it.
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err
	}()
	return <-failed
}

// newCore is a Vault that is initialised, unsealed and mounted, and the key that unseals it.
func newCore(ctx context.Context, token string) (*vault.Core, []byte, error) {
	logger := hclog.New(&hclog.LoggerOptions{
		Level:  hclog.LevelFromString(*logLevel),
		Output: os.Stderr,
	})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, nil, err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true, // or it needs a privilege that CI has not
		BuiltinRegistry:    builtins{},
		LogicalBackends:    map[string]logical.Factory{"transit": transit.Factory, "kv": vault.PassthroughBackendFactory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory, "jwt": jwt.Factory, "kubernetes": kubernetes.Factory},
	})
	if err != nil {
		return nil, nil, err
	}
	initial, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
	})
	if err != nil {
		return nil, nil, err
	}
	unsealKey := initial.SecretShares[0]
	if _, err := core.Unseal(unsealKey); err != nil {
		return nil, nil, err
	}
	write := func(path string, data map[string]any) error {
		response, err := core.HandleRequest(namespace.RootContext(ctx), &logical.Request{
			ClientToken: initial.RootToken,
			Operation:   logical.UpdateOperation,
			Path:        path,
			Data:        data,
		})
		if response.IsError() { // its message has more detail than err
			err = response.Error()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	}
	for _, mount := range mounts {
		if err := write(mount.path, map[string]any{"type": mount.kind}); err != nil {
			return nil, nil, err
		}
	}
	err = write("auth/token/create", map[string]any{"id": token, "policies": []string{"root"}})
	return core, unsealKey, err
}

// serve answers on a free port of loopback, and gives its address.
func serve(handler http.Handler, config *tls.Config, failed chan<- error) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // handshakes that a test makes fail
	}
	if config == nil {
		go func() { failed <- server.Serve(listener) }()
		return "http://" + listener.Addr().String(), nil
	}
	// Offers HTTP/2 as Vault's own listener does.
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	return "https://" + listener.Addr().String(), nil
}

// serverTLS is nil where no certificate was given.
func serverTLS() (*tls.Config, error) {
	if *certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *privateKey)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if *clientCA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(*clientCA)
	if err != nil {
		return nil, err
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", *clientCA)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

// builtins is an empty registry of plugins: what is mounted was compiled in, above.
type builtins struct{}

func (builtins) Contains(string, consts.PluginType) bool                   { return false }
func (builtins) Get(string, consts.PluginType) (func() (any, error), bool) { return nil, false }
func (builtins) Keys(consts.PluginType) []string                           { return nil }
func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool         { return false }
func (builtins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}
