/** One message to one person. Plain text: nothing in it needs more, and nothing can hide in it. */
export interface Mail {
  /** null: to nobody. It goes the same way and is not sent, so that its way tells nothing. */
  to: string | null;
  subject: string;
  text: string;
}

/** A message in the queue. */
export interface QueuedMail {
  hour: string;
  id: string;
  organizationId: string;
  message: Buffer;
  attempts: number;
  nextAttemptAt: Date;
}
