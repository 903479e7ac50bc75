/**
 * Templates of a stylesheet. They give QEMU's emulator (TCG) a translation cache of this size, in MiB: libvirt 8.0 and later,
 * https://libvirt.org/formatdomain.html#hypervisor-features. They match what no other templates of ours do.
 */
export function tcgCacheTemplates(cacheMiB: number): string {
  const tcg = `<tcg><tb-cache unit="MiB">${cacheMiB}</tb-cache></tcg>`;
  return `\
  <xsl:template match="/domain/features">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      ${tcg}
    </xsl:copy>
  </xsl:template>
  <xsl:template match="/domain[not(features)]/vcpu">
    <xsl:copy-of select="."/>
    <features>${tcg}</features>
  </xsl:template>
`;
}
