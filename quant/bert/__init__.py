"""A BERT or RoBERTa encoder layer in four integer stages."""
