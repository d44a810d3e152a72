// A plain server on the same stack: sign in, read one's own user, list contacts. Written as one would in
// an afternoon, with what belongs to it (prepared statements, a log, hashed passwords) and without
// anything that the comparison is about: no sessions, no roles, no limits, no other sort.
import bcrypt from 'bcryptjs';
import cassandra from 'cassandra-driver';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import jwt from 'jsonwebtoken';
import { pinoHttp } from 'pino-http';

const { env } = process;
const secret = env.JWT_SECRET ?? '';
const PAGE = 50;

const db = new cassandra.Client({
  contactPoints: (env.CASSANDRA_CONTACT_POINTS ?? '127.0.0.1').split(','),
  protocolOptions: { port: Number(env.CASSANDRA_PORT ?? '9042') },
  localDataCenter: env.CASSANDRA_DATACENTER ?? 'datacenter1',
  credentials: {
    username: env.CASSANDRA_USERNAME ?? 'cassandra',
    password: env.CASSANDRA_PASSWORD ?? 'cassandra',
  },
  keyspace: 'plain',
  queryOptions: { prepare: true, consistency: cassandra.types.consistencies.localQuorum },
});

const FIND_ID = 'SELECT id FROM users_by_email WHERE email = ?';
const FIND_USER = `SELECT id, organization_id, email, password_hash, first_name, last_name, role, status,
  created_at, updated_at FROM users WHERE id = ?`;
const LIST_CONTACTS = `SELECT id, version, data, created_at, created_by, updated_at, updated_by
  FROM contacts WHERE organization_id = ? LIMIT ?`;

interface User {
  id: cassandra.types.Uuid;
  organization_id: string;
  email: string;
  password_hash: string;
  first_name: string | null;
  last_name: string | null;
  role: string;
  status: string;
  created_at: Date;
  updated_at: Date;
}

interface Contact {
  id: cassandra.types.Uuid;
  version: number;
  data: string;
  created_at: Date;
  created_by: cassandra.types.Uuid;
  updated_at: Date;
  updated_by: cassandra.types.Uuid;
}

async function rows<T>(query: string, parameters: unknown[] = []): Promise<T[]> {
  return (await db.execute(query, parameters)).rows as unknown as T[];
}

async function findUser(id: string): Promise<User | undefined> {
  const [user] = await rows<User>(FIND_USER, [id]);
  return user;
}

const userBody = (user: User) => ({
  id: user.id,
  organization_id: user.organization_id,
  email: user.email,
  first_name: user.first_name,
  last_name: user.last_name,
  role: user.role,
  status: user.status,
  created_at: user.created_at,
  updated_at: user.updated_at,
});

const contactBody = (organization_id: string, contact: Contact) => ({
  id: contact.id,
  organization_id,
  version: contact.version,
  ...(JSON.parse(contact.data) as object),
  created_at: contact.created_at,
  created_by: contact.created_by,
  updated_at: contact.updated_at,
  updated_by: contact.updated_by,
  deleted_at: null,
});

interface Caller {
  sub: string;
  org: string;
}

function authenticate(request: Request, response: Response, next: NextFunction): void {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  try {
    if (scheme !== 'Bearer' || !token) throw new Error('No token');
    response.locals.caller = jwt.verify(token, secret, { algorithms: ['HS256'] });
    next();
  } catch {
    response.status(401).json({ success: false, code: 'UNAUTHENTICATED' });
  }
}

const callerOf = (response: Response) => response.locals.caller as Caller;

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use(
  pinoHttp({
    level: env.LOG_LEVEL ?? 'info',
    serializers: {
      req: ({ id, method, url }: { id: number; method: string; url: string }) => ({
        id,
        method,
        url,
      }),
      res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
    },
  }),
);
app.use(express.json());

app.get('/health/ready', async (_request, response) => {
  await rows("SELECT key FROM system.local WHERE key = 'local'");
  response.json({ success: true, data: { status: 'ok' } });
});

app.post('/api/auth/login', async (request, response) => {
  const { email, password } = request.body as { email: string; password: string };
  const [found] = await rows<Pick<User, 'id'>>(FIND_ID, [email]);
  const user = found && (await findUser(String(found.id)));
  if (!user || !(await bcrypt.compare(password, user.password_hash))) {
    response.status(401).json({ success: false, code: 'INVALID_CREDENTIALS' });
    return;
  }
  const claims = { sub: String(user.id), org: user.organization_id };
  const access_token = jwt.sign(claims, secret, { algorithm: 'HS256', expiresIn: '1h' });
  response.json({ success: true, data: { user: userBody(user), access_token } });
});

app.get('/api/v1/users/me', authenticate, async (_request, response) => {
  const user = await findUser(callerOf(response).sub);
  if (!user) response.status(401).json({ success: false, code: 'UNAUTHENTICATED' });
  else response.json({ success: true, data: userBody(user) });
});

app.get('/api/v1/contacts', authenticate, async (_request, response) => {
  const { org } = callerOf(response);
  const contacts = await rows<Contact>(LIST_CONTACTS, [org, PAGE]);
  const data = contacts.map((contact) => contactBody(org, contact));
  response.json({ success: true, data, meta: { limit: PAGE, next_cursor: null } });
});

await db.connect();
const server = app.listen(Number(env.PORT ?? '4001'), '127.0.0.1');
server.keepAliveTimeout = 65_000;
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void db.shutdown();
});
