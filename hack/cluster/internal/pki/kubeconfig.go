package pki

import "encoding/json"

// Kubeconfig returns a self-contained kubeconfig (as JSON, which is YAML too) for the server at the URL.
func Kubeconfig(cluster, server string, authority []byte, user Pair) ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": cluster,
		"clusters": []any{map[string]any{"name": cluster, "cluster": map[string]any{
			"server":                     server,
			"certificate-authority-data": authority,
		}}},
		"users": []any{map[string]any{"name": cluster, "user": map[string]any{
			"client-certificate-data": user.Certificate,
			"client-key-data":         user.Key,
		}}},
		"contexts": []any{map[string]any{"name": cluster, "context": map[string]any{
			"cluster": cluster,
			"user":    cluster,
		}}},
	}, "", "  ")
}
