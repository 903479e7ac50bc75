/**
 * Moves the seed's CD drive to virtio-scsi on machine types without IDE: the provider uses IDE, which only i440FX machines (`pc`)
 * have, and Debian's cloud kernel has no AHCI.
 * Needs `xsltproc` where the provider runs. (After a change of the stylesheet the provider replaces the domain.)
 */
export function seedCdromTemplates(machine: string | undefined): string | undefined {
  // Absent: the provider takes `pc`.
  return machine === undefined || /^pc(-i440fx-.*)?$/.test(machine) ? undefined : VIRTIO_SCSI;
}

const VIRTIO_SCSI = `\
  <xsl:template match="/domain/devices/disk[@device='cdrom' and serial='cloudinit']/target">
    <target dev="sda" bus="scsi"/>
  </xsl:template>
  <xsl:template match="/domain/devices">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <controller type="scsi" index="0" model="virtio-scsi"/>
    </xsl:copy>
  </xsl:template>
`;
