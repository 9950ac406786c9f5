module bundler.local/standins/flannel

go 1.19
