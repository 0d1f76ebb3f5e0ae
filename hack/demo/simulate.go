package main

import "context"

func (d *demo) simulate(ctx context.Context) error { return nil }
