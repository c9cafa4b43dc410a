import express from 'express';
import { createClient } from 'remit-client';
import { tokenSubject } from 'remit-node';
import { remit } from 'remit-node/express';

const app = express();
const { guard, open, assertGuarded } = remit({
  client: createClient({ url: process.env.REMIT_URL, key: process.env.REMIT_KEY }),
  subject: tokenSubject((request, name) => request.get(name)),
});
const resource = (request) => ({ type: 'employee', id: request.params.id });
app.get('/employees/:id', guard({ action: 'read', resource }), (request, response) => {
  response.json({ id: request.params.id, name: 'Erin', salary: 125000 });
});
app.delete('/employees/:id', guard({ action: 'delete', resource }), (request, response) => response.sendStatus(204));
app.get('/health', open, (request, response) => response.json({ ok: true }));
assertGuarded(app);
const server = app.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
