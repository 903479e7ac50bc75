/** Renders the identity of a guest in its firmware's tables. */

import type { GuestIdentity } from './intent.ts';

/**
 * Returns templates of a stylesheet that write the identity of a guest into its firmware's tables, for guests that do not read cloud-init's meta-data: its instance id as the
 * serial number of the system (/sys/class/dmi/id/product_serial), its host name as the SKU (product_sku). s390x has no such tables, and
 * QEMU refuses them there. Needs `xsltproc` where the provider runs. (After a change of the stylesheet the provider replaces the domain.)
 */
export function identityTemplates({ instanceId, hostname }: GuestIdentity): string {
  return `\
  <xsl:template match="/domain[not(os/type/@arch='s390x')]">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <sysinfo type="smbios">
        <system>
          <entry name="serial">${instanceId}</entry>
          <entry name="sku">${hostname}</entry>
        </system>
      </sysinfo>
    </xsl:copy>
  </xsl:template>
  <xsl:template match="/domain/os[not(type/@arch='s390x')]">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <smbios mode="sysinfo"/>
    </xsl:copy>
  </xsl:template>
`;
}
