#!/usr/bin/env bash
# terraform 1.11.4: a state file that only its owner may read gets a backup, and plans, that all may read.
#
# Seen: after chmod 600 terraform.tfstate the next apply keeps that mode, as it writes into the file that is there, but terraform.tfstate.backup,
# which holds the whole state before, and a plan saved with -out, which holds the state too, have the mode that the umask leaves: 644 by
# default. A sensitive output stands in the backup in clear.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
# The version that is pinned here: the one in PATH if it is that, else built from its Go module (minutes).
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1
terraform=$(command -v terraform || true)
if [ "$("${terraform:-false}" version 2>/dev/null | head -n 1)" != "Terraform v1.11.4" ]; then
  GOBIN=$dir/bin go install github.com/hashicorp/terraform@v1.11.4
  terraform=$dir/bin/terraform
fi
umask 022
cat >main.tf.json <<'JSON'
{
  "variable": {"value": {"default": "secret-one"}},
  "output": {"out": {"value": "${var.value}", "sensitive": true}}
}
JSON
{
  "$terraform" init -no-color >init.log
  "$terraform" apply -no-color -auto-approve >apply.log
  chmod 600 terraform.tfstate
  "$terraform" apply -no-color -auto-approve -var value=secret-two >apply.log
  "$terraform" plan -no-color -out saved.plan >plan.log
  stat --format '%a %n' terraform.tfstate terraform.tfstate.backup saved.plan
  grep --count secret-one terraform.tfstate.backup
} | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
600 terraform.tfstate
644 terraform.tfstate.backup
644 saved.plan
1
TEXT
echo 'as described: the backup and the plan are readable by all'
