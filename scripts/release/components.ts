import { execa } from 'execa';

/** Finds kubectl in PATH; it renders the kustomization. */
const KUBECTL = process.env['KUBECTL'] ?? 'kubectl';

export interface ComponentsOptions {
  /** Directory of a kustomization. */
  readonly kustomization: string;
  /** Image that the controller runs from, with registry and tag or digest, for example registry.example.com/caplv:0.1.0. */
  readonly image: string;
}

/** Renders infrastructure-components.yaml: all objects that `clusterctl init` installs. */
export async function renderComponents({ kustomization, image }: ComponentsOptions): Promise<string> {
  const { stdout } = await execa(KUBECTL, ['kustomize', kustomization], { stdin: 'ignore' }).catch(
    (error) => {
      if (error.code !== 'ENOENT') throw error;
      throw new Error(
        'kubectl is missing: put it into PATH, or name it in KUBECTL (the lab has one: npm run lab -- up --kube, then env)',
      );
    },
  );
  return withImage(escapeVariables(stdout), image);
}

/** Escapes what clusterctl would take for a variable of its own: our descriptions say `${CAPLV_…}`. */
export function escapeVariables(text: string): string {
  return text.replaceAll('${', () => '$${');
}

/** Names the image in place of the one that deploy/ has. Refuses one without a registry, as `clusterctl init` would. */
export function withImage(text: string, image: string): string {
  if (!/^(localhost|[^/]*[.:][^/]*)\/./.test(image))
    throw new Error(`--image ${image}: name its registry too, for example docker.io/library/${image}`);
  const line = /^(\s*image: )caplv:\S+$/gm;
  if (!line.test(text)) throw new Error('the manifests in deploy/ name no image caplv:VERSION');
  return text.replace(line, `$1${image}`);
}
