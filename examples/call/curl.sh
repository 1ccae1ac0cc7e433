curl -i "$SUPABASE_URL/functions/v1/get-sync-status" \
  -H "apikey: $PUBLISHABLE_KEY" \
  -H "Authorization: Bearer $ACCESS_TOKEN"
