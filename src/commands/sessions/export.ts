export class SessionsExportCommand {}
