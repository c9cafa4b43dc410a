/** The methods that each path of the application is for: a request with another one is told which (RFC 9110 section 15.5.6). */
import createRouter from 'find-my-way';
import type { FastifyInstance, RouteOptions } from 'fastify';

export class PathMethods {
  private readonly methodsByPattern = new Map<string, Set<string>>();
  /** Has the patterns alone, under one method; it reads a path as the application's own router does. */
  private readonly router: ReturnType<typeof createRouter>;

  constructor(maxParamLength: number) {
    this.router = createRouter({ maxParamLength });
  }

  /** Notes the routes that are registered from now on. */
  observe(app: FastifyInstance): void {
    app.addHook('onRoute', ({ url, method }: RouteOptions) => {
      let methods = this.methodsByPattern.get(url);
      if (methods === undefined) {
        methods = new Set();
        this.methodsByPattern.set(url, methods);
        this.router.on('GET', url, () => undefined, methods);
      }
      for (const name of [method].flat()) methods.add(name);
    });
  }

  /** The methods in order; undefined where there is no such path. @param url with or without a query */
  find(url: string): readonly string[] | undefined {
    const route = this.router.find('GET', url.split('?')[0] ?? '');
    return route === null ? undefined : [...(route.store as ReadonlySet<string>)].sort();
  }
}
