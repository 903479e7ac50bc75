/**
 * Makes volumes private that contain secrets: user data in the seed, join tokens on the disks. Provider 0.8.3 asks libvirt for mode
 * 0644, and QEMU's command line contains the path of the file, so that every user of the host could read it. libvirt changes the
 * owner of the file to QEMU's user when the domain starts. Needs `xsltproc` where the provider runs.
 */
export const PRIVATE_VOLUME = `<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output omit-xml-declaration="yes"/>
<xsl:template match="@*|node()"><xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template>
<xsl:template match="permissions/mode"><mode>0600</mode></xsl:template>
</xsl:stylesheet>`;
