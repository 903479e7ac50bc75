/** What the domain of a machine has that the provider has no arguments for. */

import { identityTemplates } from './identity-smbios.ts';
import type { MachineIntent } from './intent.ts';
import { seedCdromTemplates } from './seed-cdrom.ts';
import { tcgCacheTemplates } from './tcg-cache.ts';

/**
 * Returns the stylesheet that says of a machine's domain what the provider has no arguments for; undefined where nothing is to be said. The
 * provider runs it by `xsltproc`, and replaces the domain when its text changes: what it says of a machine that exists must stay the same,
 * letter by letter.
 */
export function domainStylesheet({ seed, domain }: MachineIntent): string | undefined {
  const templates = [
    seed && seed.kind !== 'ignition' ? seedCdromTemplates(domain.machine) : undefined,
    seed?.kind === 'ignition' && seed.identity ? identityTemplates(seed.identity) : undefined,
    domain.tcgCacheMiB === undefined ? undefined : tcgCacheTemplates(domain.tcgCacheMiB),
  ].filter((text) => text !== undefined);
  if (templates.length === 0) return undefined;
  return `\
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>
${templates.join('')}</xsl:stylesheet>
`;
}
