/** Holds public keys of ssh-keygen. Their private keys are gone. */

export const PUBLIC_KEYS = {
  ed25519: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGgdNOsSj+rtTB6YhGEOhn5pR3P6xUwiHqYe4CO3Eldo ada@example.com',
  ecdsa: [
    'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMoii3PpO1sSJDi3pAoU6x1i',
    'uSwOeSwscR322x50Kvbf95yfTpXpbCt9/Z+7TXqQf3TOngcfS02DPcVfs/lKvJQ= ada@example.com',
  ].join(''),
  rsa: [
    'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDdUdwc9l0gCVTXDTbT3vF/rZH5DIuLfASwzDsOwnfNnb/QeV/xrdyu4wsV',
    '1cKZ1s3hT/esiL0xP7Wcs1VL3oLReRxrDo+SmtCnHNImZ8bUuPQAk6Txkh7PWlQcUSFNf2z0hyYvJqTldX78Jbl+gk1yvkac',
    'Yyy55ibMBk36AC+8Hyz+bMeZsFQSMkTm3lL+n31pO/CuR+Uw0K5BShtQ5IfFkwGaVfjZjHs77dNVnt5u/YckVPY/7TIWiQzE',
    'tPgP1WR+9HwQr3/nLbB2WJfNWQBc5+iSsECGsHr7n7lMCjr91XN5wObr2rxvbnoCr26xrANmgKCRVzO5I54dMc1Dq2kDP2WW',
    'uDKRPao4FiFBJfg8WMkerUXv3rix43uaI9b6F3xf2QF4VE8RljMK2yqKBs4danZMz6gZgigXRXGFaJdQv9I5omaqJl/YGKHi',
    '3UMl5S+QbB7FuX58lHIwbfX9VUJBuJ5qrQRkFCqtFAZkOIFzUpeTnnnQbTxiGbFwS2Zm1tE= ada@example.com',
  ].join(''),
} as const;
