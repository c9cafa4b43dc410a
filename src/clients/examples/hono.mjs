import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { createClient } from 'remit-client';
import { tokenSubject } from 'remit-node';
import { remit } from 'remit-node/hono';

const app = new Hono();
const { guard, open, assertGuarded } = remit({
  client: createClient({ url: process.env.REMIT_URL, key: process.env.REMIT_KEY }),
  subject: tokenSubject((c, name) => c.req.header(name)),
});
const resource = (c) => ({ type: 'employee', id: c.req.param('id') });
app.get('/employees/:id', guard({ action: 'read', resource }), (c) =>
  c.json({ id: c.req.param('id'), name: 'Erin', salary: 125000 }),
);
app.delete('/employees/:id', guard({ action: 'delete', resource }), (c) => c.body(null, 204));
app.get('/health', open, (c) => c.json({ ok: true }));
assertGuarded(app);
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 8080) }, ({ port }) => {
  console.log(`http://127.0.0.1:${port}`);
});
