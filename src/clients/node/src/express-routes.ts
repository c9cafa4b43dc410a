/** Looks through an Express application for routes that nothing guards. */

interface Layer {
  readonly name?: string;
  readonly method?: string;
  readonly handle?: Handler;
  readonly route?: { readonly path?: unknown; readonly stack?: readonly Layer[] };
}
type Handler = object & { readonly name?: string; readonly stack?: readonly Layer[] };

/** Express's own parsers of bodies, which may stand before a guard since its question may need the body. */
const PARSERS = new Set(['jsonParser', 'rawParser', 'textParser', 'urlencodedParser']);

/**
 * @param app an application or router
 * @returns what isn't guarded, in words: routes, files that are served, and applications that can't be looked into
 */
export function listUnguarded(app: unknown, isMarked: (handler: object) => boolean): string[] {
  const { _router, stack } = app as { _router?: Handler; stack?: readonly Layer[] };
  // Express 4 throws where `router` is read.
  const layers = stack ?? (_router ?? (app as { readonly router?: Handler }).router)?.stack;
  if (layers === undefined) throw new TypeError('remit: this is no Express application, or it has no routes yet');
  return listLayers(layers, isMarked);
}

function listLayers(layers: readonly Layer[], isMarked: (handler: object) => boolean): string[] {
  return layers.flatMap(({ name, handle, route }) => {
    if (route?.stack !== undefined) return listRoute(String(route.path), route.stack, isMarked);
    if (handle?.stack !== undefined) return listLayers(handle.stack, isMarked);
    if (name === 'serveStatic') return ['express.static'];
    if (name === 'mounted_app') return ['a mounted application (use a Router)'];
    return [];
  });
}

/** A route is guarded for a method where the first of its handlers, but for parsers, is a guard. */
function listRoute(path: string, stack: readonly Layer[], isMarked: (handler: object) => boolean): string[] {
  const methods = [...new Set(stack.map(({ method }) => method))];
  return methods.flatMap((method) => {
    // A handler for all methods stands before those of the method itself, in their order.
    const handlers = stack.filter((layer) => layer.method === method || layer.method === undefined);
    const first = handlers.find(({ name = '' }) => !PARSERS.has(name));
    const isGuarded = first?.handle !== undefined && isMarked(first.handle);
    return isGuarded ? [] : [`${(method ?? 'all').toUpperCase()} ${path}`];
  });
}
