package registry

import (
	"net/http"
	"regexp"
	"strconv"
	"time"
)

var limitedBlob = regexp.MustCompile(`^/v2/limited([0-9]{1,4})/.+/blobs/`)

// limit sends what is read from repositories below limited<N>/ at N MB/s, each request for itself.
func limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rate := rateOf(r); rate > 0 {
			w = &limited{ResponseWriter: w, rate: rate, begin: time.Now()}
		}
		next.ServeHTTP(w, r)
	})
}

// rateOf returns how many bytes a second are sent; 0 means that there is no limit.
func rateOf(r *http.Request) int64 {
	match := limitedBlob.FindStringSubmatch(r.URL.Path)
	if match == nil || r.Method != http.MethodGet {
		return 0
	}
	megabytes, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return 0
	}
	return megabytes * 1000 * 1000
}

// limited waits after each write until it was time for so many bytes.
type limited struct {
	http.ResponseWriter
	rate, sent int64
	begin      time.Time
}

// Write implements io.Writer.
func (w *limited) Write(data []byte) (int, error) {
	n, err := w.ResponseWriter.Write(data)
	w.sent += int64(n)
	due := w.begin.Add(time.Duration(float64(w.sent) / float64(w.rate) * float64(time.Second)))
	time.Sleep(time.Until(due))
	return n, err
}
