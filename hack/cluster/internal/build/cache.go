package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// DefaultCache returns the directory named by INSITU_CACHE, or insitu in the user's cache directory.
func DefaultCache() (string, error) {
	if dir := os.Getenv("INSITU_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "insitu"), err
}

// cacheKey changes with everything that decides what the go command makes of a module.
func cacheKey(source string, flags []string) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.GOOS, runtime.GOARCH, runtime.Version(), flags)
	entries, err := os.ReadDir(source)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(source, e.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", e.Name(), len(content), content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}
