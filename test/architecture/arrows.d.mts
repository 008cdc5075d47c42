export declare const arrows: Readonly<Record<string, readonly string[]>>;
export declare const typesOnly: readonly string[];
export declare const electronRooms: readonly string[];
export declare const anywhereRooms: readonly string[];
export declare function allows(from: string, path: string): boolean;
