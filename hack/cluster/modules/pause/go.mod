module github.com/insitu-dev/insitu/hack/cluster/modules/pause

go 1.26.0
