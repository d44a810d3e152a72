import type { User } from '../users/user';

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
