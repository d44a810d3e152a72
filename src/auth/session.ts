import type { User } from '../users/user';

export interface SessionKey {
  organizationId: string;
  userId: string;
  id: string;
}

/** Where a session was used last, as far as the request tells. */
export interface Device {
  ip: string | null;
  userAgent: string | null;
}

/** One signed-in device: a lineage of refresh tokens, of which the latest is good. */
export interface Session extends SessionKey {
  /** The epoch of its user when it was made; another one ends it. */
  epoch: number;
  refreshHash: Buffer;
  previousHash: Buffer | null;
  device: Device;
  createdAt: Date;
  refreshedAt: Date;
  expiresAt: Date;
}

export interface TokenPair {
  accessToken: string;
  /** Seconds the access token is good for. */
  expiresIn: number;
  refreshToken: string;
}

/** A user who has just proved who he is; without tokens where an admin made the account. */
export interface SignIn {
  user: User;
  tokens?: TokenPair;
}
