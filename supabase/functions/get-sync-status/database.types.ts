export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

export type Database = {
  "public": {
    Tables: {
      "agencies": {
        Row: {
          "created_at": string;
          "id": string;
          "name": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "id"?: string;
          "name": string;
        };
        Update: {
          "created_at"?: string;
          "id"?: string;
          "name"?: string;
        };
        Relationships: [];
      };
      "historical_sync_jobs": {
        Row: {
          "agency_id": string;
          "created_at": string;
          "date_from": string;
          "date_to": string;
          "failed_calls": number;
          "id": string;
          "imported_calls": number;
          "last_activity_at": string | null;
          "processed_calls": number;
          "skipped_calls": number;
          "started_at": string | null;
          "status": Database["public"]["Enums"]["sync_job_status"];
          "total_calls": number | null;
        };
        ComputedFields: never;
        Insert: {
          "agency_id": string;
          "created_at"?: string;
          "date_from": string;
          "date_to": string;
          "failed_calls"?: number;
          "id"?: string;
          "imported_calls"?: number;
          "last_activity_at"?: string | null;
          "processed_calls"?: number;
          "skipped_calls"?: number;
          "started_at"?: string | null;
          "status"?: Database["public"]["Enums"]["sync_job_status"];
          "total_calls"?: number | null;
        };
        Update: {
          "agency_id"?: string;
          "created_at"?: string;
          "date_from"?: string;
          "date_to"?: string;
          "failed_calls"?: number;
          "id"?: string;
          "imported_calls"?: number;
          "last_activity_at"?: string | null;
          "processed_calls"?: number;
          "skipped_calls"?: number;
          "started_at"?: string | null;
          "status"?: Database["public"]["Enums"]["sync_job_status"];
          "total_calls"?: number | null;
        };
        Relationships: [
          {
            foreignKeyName: "historical_sync_jobs_agency_id_fkey";
            columns: ["agency_id"];
            isOneToOne: false;
            referencedRelation: "agencies";
            referencedColumns: ["id"];
          },
        ];
      };
      "users": {
        Row: {
          "agency_id": string | null;
          "created_at": string;
          "id": string;
        };
        ComputedFields: never;
        Insert: {
          "agency_id"?: string | null;
          "created_at"?: string;
          "id": string;
        };
        Update: {
          "agency_id"?: string | null;
          "created_at"?: string;
          "id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "users_agency_id_fkey";
            columns: ["agency_id"];
            isOneToOne: false;
            referencedRelation: "agencies";
            referencedColumns: ["id"];
          },
        ];
      };
    };
    Views: {
      [_ in never]: never;
    };
    Functions: {
      "get_active_sync_job": {
        Args: { "p_agency_id"?: string };
        Returns: {
          "agency_id": string;
          "created_at": string;
          "date_from": string;
          "date_to": string;
          "failed_calls": number;
          "id": string;
          "imported_calls": number;
          "last_activity_at": string | null;
          "processed_calls": number;
          "skipped_calls": number;
          "started_at": string | null;
          "status": Database["public"]["Enums"]["sync_job_status"];
          "total_calls": number | null;
        }[];
        SetofOptions: {
          from: "*";
          to: "historical_sync_jobs";
          isOneToOne: false;
          isSetofReturn: true;
        };
      };
    };
    Enums: {
      "sync_job_status": "pending" | "in_progress" | "completed" | "failed" | "cancelled";
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">;

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof (
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"]
    )
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals } ? (
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"]
  )[TableName] extends {
    Row: infer R;
  } ? R
  : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
      Row: infer R;
    } ? R
    : never
  : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
    Insert: infer I;
  } ? I
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I;
    } ? I
    : never
  : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
    Update: infer U;
  } ? U
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U;
    } ? U
    : never
  : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never;

export const Constants = {
  "public": {
    Enums: {
      "sync_job_status": ["pending", "in_progress", "completed", "failed", "cancelled"],
    },
  },
} as const;
