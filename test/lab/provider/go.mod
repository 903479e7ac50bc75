// Pins the provider, and with go.sum all that goes into it, for machines that have to build it (terraform-provider.ts).
module caplv.local/provider

go 1.24

require github.com/dmacvicar/terraform-provider-libvirt v0.8.3
