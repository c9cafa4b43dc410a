/** `/`: says what this service is, to a browser or to a program, and where to read on. */
import { z } from 'zod';
import { VERSION } from '../../runtime/version.js';
import type { TypedApp } from '../typed-app.js';
import { problemFormat } from '../edge/errors.js';

const indexFormat = z
  .object({
    name: z.literal('Remit'),
    description: z.string(),
    version: z.string(),
    documentation: z.string(),
    openapi: z.string(),
  })
  .meta({ id: 'Index' });

const DESCRIPTION =
  'An authorization engine for AI agents: may this agent do this, for this person, to this thing, now, and why?';
/** Nothing in it comes from a request. */
const INDEX_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Remit</title>
<h1>Remit ${VERSION}</h1>
<p>${DESCRIPTION}</p>
<ul>
<li><a href="/docs">Every route, with its schemas and examples</a></li>
<li><a href="/openapi.json">The same as OpenAPI</a></li>
<li><a href="/health/ready">Whether it is ready to decide</a></li>
</ul>
</html>
`;

export function indexRoutes(app: TypedApp): void {
  app.get('/', {
    schema: {
      tags: ['operations'],
      summary: 'What this service is, and where to read on',
      response: {
        200: {
          description: 'As JSON, or as a page where that is asked for',
          content: { 'application/json': { schema: indexFormat }, 'text/html': { schema: z.string() } },
        },
        429: problemFormat,
      },
    },
    handler: (request, reply) => {
      if (request.headers.accept?.includes('text/html') === true)
        return reply.type('text/html; charset=utf-8').send(INDEX_PAGE);
      const base = app.getAskedUrl(request);
      return reply.send({
        name: 'Remit' as const,
        description: DESCRIPTION,
        version: VERSION,
        documentation: `${base}/docs`,
        openapi: `${base}/openapi.json`,
      });
    },
  });
}
